import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Delivery } from '#src/queue/delivery.js';
import { keepTrail } from '#src/worker/end/keep-trail.js';
import type { Execution, Outcome } from '#src/worker/run/outcome.js';
import { WorkflowSteps, type WorkflowStepsParams } from '#src/worker/workflow/step.js';
import { FakeRecords } from '../../../support/fake-records.js';

const KEPT = { resultExpiresMs: 1000, failureExpiresMs: 7000 };
const SUCCESS: Outcome = { kind: 'success', value: 1, encoded: 1 };

const delivery = (message: object = {}, jobId = 'id') =>
  ({
    taskId: 'id',
    jobId,
    name: 'task',
    retries: 0,
    stalls: 0,
    deliveries: 1,
    message,
  }) as unknown as Delivery;
const execution = (outcome: Outcome, more: Partial<Execution> = {}): Execution => ({
  outcome,
  task: undefined,
  runtimeMs: 0,
  started: true,
  trail: [{ id: 'called' }],
  ...more,
});

describe('What a run has called', () => {
  it('is kept as long as its record, and long while it goes on', async () => {
    for (const [outcome, wanted] of [
      [SUCCESS, 1000],
      [{ kind: 'failure', error: new Error('no') }, 7000],
      [{ kind: 'retry', error: new Error('no'), delayMs: 1 } as Outcome, 7000],
    ] as const) {
      const records = new FakeRecords();
      await keepTrail({ engine: { records }, ...KEPT }, delivery(), execution(outcome));
      assert.deepEqual(
        [...records.kept.values()].map(({ ttlMs }) => ttlMs),
        [wanted],
      );
    }
  });

  it('is not kept where nothing is', () => {
    const records = new FakeRecords();
    const kept = (message: object, ran: Execution, more = {}) =>
      keepTrail({ engine: { records }, ...KEPT, ...more }, delivery(message), ran);
    assert.equal(kept({}, execution(SUCCESS, { trail: undefined })), undefined);
    assert.equal(kept({ ignore: true }, execution(SUCCESS)), undefined);
    assert.equal(kept({ forgotten: true }, execution(SUCCESS)), undefined);
    assert.equal(kept({}, execution(SUCCESS), { resultExpiresMs: 0 }), undefined);
    assert.equal(records.calls.create, 0);
  });

  it('does no harm to its end when it cannot be kept', async () => {
    const records = new FakeRecords();
    records.create = () => Promise.reject(new Error('away'));
    await keepTrail({ engine: { records }, ...KEPT }, delivery(), execution(SUCCESS));
  });

  it('is there before a workflow goes on', async () => {
    const seen: string[] = [];
    const records = new FakeRecords();
    const create = records.create.bind(records);
    records.create = async (...given) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push('trail');
      return create(...given);
    };
    const plans = { upTo: () => void seen.push('workflow') };
    const params = { clock: { now: () => 0 }, plans } as unknown as WorkflowStepsParams;
    const steps = new WorkflowSteps(params, { engine: { records }, ...KEPT });
    await steps.finish(delivery({}, 'abcdefghijkl-0.0'), execution(SUCCESS));
    assert.deepEqual(seen, ['trail', 'workflow']);
  });
});
