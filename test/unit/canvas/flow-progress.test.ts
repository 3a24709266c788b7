import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HEAD, PLAN } from '#src/broker/engine.js';
import { FlowProgress, type FlowProgressParams } from '#src/canvas/flow-progress.js';
import type { Plan } from '#src/canvas/plan.js';
import { Plans } from '#src/canvas/plans.js';
import { clockAt, fakeEngine } from '../../support/fake-engine.js';

const FLOW = 'flowflowflow-0';
const plan: Plan = {
  v: 1,
  root: { kind: 'task', name: 'a', queue: 'q', args: [], fields: {}, id: 'own' },
  sentAt: 0,
};

describe('A workflow that ends', () => {
  it('is told of to those who wait before its own ids are let go', async () => {
    const { engine, broker } = fakeEngine();
    broker.flows.set(
      FLOW,
      new Map([
        [HEAD, '1'],
        [PLAN, JSON.stringify(plan)],
      ]),
    );
    const order: string[] = [];
    const progress = new FlowProgress({
      engine: { ...engine, signals: { ...engine.signals, notify: () => void order.push('notified') } },
      clock: clockAt(1000),
      plans: new Plans(engine),
      index: { expireAll: async (ids: readonly string[]) => void order.push(...ids) },
      resultExpiresMs: 86_400_000,
      failureExpiresMs: 86_400_000,
    } as unknown as FlowProgressParams);
    assert.equal(await progress.succeed(FLOW, plan, '0', { s: 1 }), 'told');
    assert.deepEqual(order, ['notified', 'own']);
  });
});
