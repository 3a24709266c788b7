import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/broker.js';
import type { Leaf, Plan } from '#src/canvas/workflow/plan.js';
import { PlanCache } from '#src/canvas/workflow/plan-cache.js';
import { UNTIL } from '#src/canvas/workflow/record.js';
import { WorkflowTidy } from '#src/canvas/workflow/tidy.js';
import { clockAt, fakeEngine } from '../../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const leaf = (name: string): Leaf => ({ kind: 'task', name, queue: 'q', args: [], fields: {} });
const plan: Plan = { v: 1, root: { kind: 'group', members: [leaf('a'), leaf('b')] }, sentAt: 0 };

function closed(keptMs: number) {
  const { engine, broker, lives, calls } = fakeEngine();
  const record = new Map([
    [HEAD, '1'],
    [PLAN, JSON.stringify(plan)],
    [UNTIL, '60000'],
    ['0.0', '{"f":{}}'],
  ]);
  broker.flows.set(FLOW, record);
  const tidy = new WorkflowTidy({
    engine,
    clock: clockAt(20_000),
    plans: new PlanCache(engine),
    resultExpiresMs: 86_400_000,
    failureExpiresMs: keptMs,
  });
  return { record, tidy, lives, calls };
}

describe('The record of a workflow that is over', () => {
  it('stays while something of it goes on, and then goes with its outcome', async () => {
    const { record, tidy, lives } = closed(60_000);
    await tidy.settle(FLOW);
    assert.equal(lives.get(FLOW), undefined);
    record.set('0.1', '{"s":1}');
    await tidy.settle(FLOW);
    assert.equal(lives.get(FLOW), 40_000);
  });

  it('is not looked at where outcomes are kept for a day, nor before its outcome stands', async () => {
    const long = closed(86_400_000);
    await long.tidy.settle(FLOW);
    assert.equal(long.calls.size, 0);
    const open = closed(60_000);
    open.record.delete(UNTIL);
    open.record.set('0.1', '{"s":1}');
    await open.tidy.settle(FLOW);
    assert.equal(open.lives.get(FLOW), undefined);
  });
});
