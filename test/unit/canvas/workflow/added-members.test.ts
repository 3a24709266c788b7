import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/broker.js';
import { AddedMembers } from '#src/canvas/workflow/added-members.js';
import type { Leaf, Plan, Start } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { TaskIdIndex } from '#src/coordination/task-id-index.js';
import { clockAt, fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const leaf = (name: string): Leaf => ({ kind: 'task', name, queue: 'q', args: [], fields: {} });
const plan: Plan = { v: 1, root: { kind: 'group', members: [leaf('first')] }, sentAt: 0 };
const group = { flow: FLOW, path: '0' };

function broker() {
  const fake = fakeEngine();
  fake.broker.flows.set(
    FLOW,
    new Map([
      [HEAD, '1'],
      [PLAN, JSON.stringify(plan)],
    ]),
  );
  const process = () => {
    const sent: string[] = [];
    const added = new AddedMembers({
      engine: fake.engine,
      plans: new PlanCache(fake.engine),
      index: new TaskIdIndex(fake.engine, fake.tasks, clockAt(0), 1000),
      begin: async (_flow: string, _plan: Plan, begun: readonly Start[]) =>
        sent.push(...begun.map(({ path }) => path)),
    });
    const add = (adder: string, i: number, run?: string) =>
      added.add(group, plan, { by: `${adder} ${i}`, node: leaf(`${adder}${i}`) }, run);
    return { add, sent };
  };
  return { ...fake, process };
}

describe('Adding members to a group', () => {
  it('costs a write each, however many there are', async () => {
    const { process, calls } = broker();
    const one = process();
    for (let i = 0; i < 50; i++) await one.add('a', i);
    assert.equal(calls.get('flows.write'), 50);
    const two = process();
    for (let i = 0; i < 50; i++) await two.add('b', i);
    assert.ok((calls.get('flows.write') ?? 0) <= 101, 'another process jumps to where they are');
    assert.deepEqual(new Set([...one.sent, ...two.sent]).size, 100, 'each in a place of its own');
  });

  it('costs a write each where many are added at once', async () => {
    const { process, calls } = broker();
    const { add, sent } = process();
    await Promise.all(Array.from({ length: 100 }, (_, i) => add('a', i)));
    assert.equal(calls.get('flows.write'), 100);
    assert.equal(new Set(sent).size, 100);
  });

  it('adds nothing twice when a task runs again, and does not look through all for each', async () => {
    const { process, calls } = broker();
    const before = process();
    for (let i = 0; i < 30; i++) await before.add('a', i);
    await before.add('other', 0);
    const again = process();
    for (let i = 0; i < 31; i++) await again.add('a', i, 'a 2');
    assert.deepEqual(again.sent, [...before.sent.slice(0, 30), '0.32'], 'the last one is new');
    assert.ok((calls.get('flows.read') ?? 0) < 10);
  });
});
