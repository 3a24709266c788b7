/** What looking at waiting tasks reads of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, JobRef } from '#src/broker/broker.js';
import { readQueueStates } from '#src/coordination/queue-depth.js';
import { Inspection, type InspectionParams } from '#src/worker/observe/inspection.js';
import { waitingJob } from '../../../support/fake-engine.js';

/** An engine with one job, of which only the head may be read: the whole may be megabytes. */
function headsOnly() {
  const ref = { queue: 'q', id: 'a' };
  const engine = {
    readDelayed: async () => [{ ref, dueAt: 5000 }],
    readJobs: async () => assert.fail('read whole'),
    readHeads: async (refs: readonly JobRef[]) => refs.map(({ id }) => waitingJob(id, { delayMs: 4000 })),
    backend: async () => ({
      getCounts: async () => [1, 0, 0, 1],
      getRanges: async ([state]: readonly string[]) => (state === 'wait' ? [['a']] : [[]]),
    }),
  };
  return engine as unknown as Engine;
}

describe('Looking at tasks that wait', () => {
  it('reads heads for the list of delayed tasks', async () => {
    const reports = new Inspection({
      engine: headsOnly(),
      tasks: { read: async () => assert.fail('read whole') },
      codec: { decodeArgs: (args: unknown) => args, sealOf: () => undefined },
      registry: { get: () => undefined },
      queues: () => ['q'],
    } as unknown as InspectionParams);
    const [report, ...more] = await reports.scheduled();
    assert.deepEqual([report?.id, report?.eta, more], ['a', new Date(5000).toISOString(), []]);
  });

  it('reads a head for how long the oldest has waited', async () => {
    assert.deepEqual(await readQueueStates(headsOnly(), ['q']), [
      { queue: 'q', counts: { waiting: 1, running: 0, delayed: 1 }, oldestDueAt: 1000 },
    ]);
  });
});
