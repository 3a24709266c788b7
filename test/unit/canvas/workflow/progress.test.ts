import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/broker.js';
import type { Leaf, Plan, PlanNode } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { WorkflowProgress, type WorkflowProgressParams } from '#src/canvas/workflow/progress.js';
import type { Envelope } from '#src/queue/producer.js';
import { clockAt, fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const DAY_MS = 86_400_000;
const leaf = (name: string, more: Partial<Leaf> = {}): Leaf => ({
  kind: 'task',
  name,
  queue: 'q',
  args: [],
  fields: {},
  ...more,
});

/** A workflow in the broker, and in what order its progress did what. */
function sent(root: PlanNode, failureExpiresMs = DAY_MS) {
  const { engine, broker } = fakeEngine();
  const plan: Plan = { v: 1, root, sentAt: 0 };
  broker.flows.set(
    FLOW,
    new Map([
      [HEAD, '1'],
      [PLAN, JSON.stringify(plan)],
    ]),
  );
  const order: string[] = [];
  const progress = new WorkflowProgress({
    engine: { ...engine, signals: { ...engine.signals, notify: () => void order.push('notified') } },
    clock: clockAt(1000),
    plans: new PlanCache(engine),
    producer: { send: async ({ name }: Envelope) => void order.push(`sent ${name}`) },
    tidy: { settle: async () => void order.push('settled') },
    index: { expireAll: async (ids: readonly string[]) => void order.push(...ids) },
    resultExpiresMs: DAY_MS,
    failureExpiresMs,
  } as unknown as WorkflowProgressParams);
  const fail = (path: string) => {
    const blame = { id: path, name: 'a', error: { name: 'Error', message: 'no' }, t: 1000 };
    return progress.fail(FLOW, plan, path, { blame, request: {} });
  };
  const succeed = (path: string) => progress.succeed(FLOW, plan, path, { s: 1 });
  return { fail, succeed, order, settled: () => order.filter((word) => word === 'settled').length };
}

describe('A workflow that ends', () => {
  it('is told of to those who wait before its own ids are let go', async () => {
    const { succeed, order } = sent(leaf('a', { id: 'own' }));
    assert.equal(await succeed('0'), 'recorded');
    assert.deepEqual(order, ['notified', 'own']);
  });
});

describe('What goes on once the outcome of a workflow stands', () => {
  it('is looked at when the outcome is, and when a callback or a group of it ends', async () => {
    const group: PlanNode = { kind: 'group', members: [leaf('a'), leaf('b')] };
    const { fail, succeed, settled } = sent(
      { kind: 'chain', steps: [leaf('first', { links: [leaf('link')] }), group, leaf('last')] },
      60_000,
    );
    await succeed('0.0');
    await fail('0.1.0');
    assert.equal(settled(), 1, 'the outcome stands, a member goes on');
    await succeed('0.1.1');
    assert.equal(settled(), 2, 'the last member has ended');
    await succeed('0.0.l0');
    assert.equal(settled(), 3, 'a link');
  });

  it('is looked at when something of it fails that decides nothing any more', async () => {
    const { fail, succeed, settled } = sent(leaf('a', { links: [leaf('link')] }), 60_000);
    await succeed('0');
    const before = settled();
    await fail('0.l0');
    assert.equal(settled(), before + 1);
  });
});
