import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/broker.js';
import { type Leaf, nodeAt, type Plan, type PlanNode } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { addedField } from '#src/canvas/workflow/record.js';
import { fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const task = (name: string, more: Partial<Leaf> = {}): Leaf => ({
  kind: 'task',
  name,
  queue: 'q',
  args: [],
  fields: {},
  ...more,
});
const group = (...members: PlanNode[]): PlanNode => ({ kind: 'group', members });
const chain = (...steps: PlanNode[]): PlanNode => ({ kind: 'chain', steps });
const planOf = (root: PlanNode): Plan => ({ v: 1, root, sentAt: 0 });

/** A workflow in the broker, with members that were added to its groups. */
function stored(root: PlanNode, added: Readonly<Record<string, PlanNode>> = {}) {
  const fake = fakeEngine();
  const record = new Map([
    [HEAD, '1'],
    [PLAN, JSON.stringify(planOf(root))],
  ]);
  for (const [field, node] of Object.entries(added))
    record.set(field, JSON.stringify({ by: 'somebody 0', node }));
  fake.broker.flows.set(FLOW, record);
  return { ...fake, plans: new PlanCache(fake.engine) };
}

describe('The plans of workflows', () => {
  it('lead to members that were added to added groups, at the first look', async () => {
    const inner = group(task('c'));
    const middle = chain(task('x'), group(task('b')));
    const added = {
      [addedField('0', 1)]: middle,
      [addedField('0.2.1', 0)]: inner,
      [addedField('0.2.1.1', 0)]: task('deep'),
    };
    const path = '0.2.1.1.1';
    const { plans } = stored(group(task('a')), added);
    const first = await plans.upTo(FLOW, path);
    assert.equal((nodeAt(first as Plan, path) as Leaf).name, 'deep');
    assert.equal(nodeAt(first as Plan, '0.2')?.kind, 'chain', 'and to what is around it');
  });

  it('lead to what is called after a member that was added', async () => {
    const { plans } = stored(group(task('a')), {
      [addedField('0', 0)]: task('b', { links: [task('after')], errbacks: [group(task('e'))] }),
    });
    const plan = (await plans.upTo(FLOW, '0.1.l0')) as Plan;
    assert.equal((nodeAt(plan, '0.1.l0') as Leaf).name, 'after');
  });

  it('are kept for the last few thousand workflows, however short they are', () => {
    const { engine } = fakeEngine();
    const plans = new PlanCache(engine);
    for (let i = 0; i < 20_000; i++) plans.keep(`flow-${i}`, planOf(task('a')), 100);
    assert.ok(plans.get('flow-0') instanceof Promise, 'to be read again');
    assert.ok(!(plans.get('flow-19999') instanceof Promise), 'still known');
  });

  it('end where nothing was added', async () => {
    const { plans, calls } = stored(group(task('a')));
    for (const path of ['0.7', '0.7.1.3', '0.l0', '0.e0.1', '0.0.5'])
      assert.equal(nodeAt((await plans.upTo(FLOW, path)) as Plan, path), undefined, path);
    assert.ok((calls.get('flows.read') ?? 0) <= 3, 'and are not looked for where nothing can be');
  });

  it('are read once, however often one is kept anew', async () => {
    const { plans, calls } = stored(task('a'));
    const half = 'x'.repeat(9_000_000).length;
    for (let i = 0; i < 5; i++) plans.keep(FLOW, planOf(task('a')), half);
    plans.keep('another', planOf(task('b')), 1_000);
    assert.ok(!(plans.get(FLOW) instanceof Promise));
    assert.ok(!(plans.get('another') instanceof Promise));
    assert.equal(calls.get('flows.read'), undefined);
  });

  it('make room for others as members are added to them', async () => {
    const { plans } = stored(group(task('a')));
    plans.keep('old', planOf(group(task('a'))), 1_000);
    plans.keep(FLOW, planOf(group(task('a'))), 1_000);
    for (let i = 1; i <= 20; i++) plans.added(FLOW, `0.${i}`, task('m'), 1_000_000);
    assert.ok(plans.get('old') instanceof Promise || plans.get(FLOW) instanceof Promise);
  });
});
