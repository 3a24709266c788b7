/** What the doctor says of queues, and of what it runs on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DoctorParams, examine } from '#src/control/doctor.js';

const EMPTY = {
  paused: false,
  waiting: 0,
  active: 0,
  delayed: 0,
  waitingChildren: 0,
  failed: 0,
  finished: 0,
};

/** What is said of these queues, when the workers that answer take from those. */
async function diagnose(queues: readonly string[], consumed: readonly string[]) {
  const stats = { queues: consumed.map((name) => ({ name, concurrency: 1 })) };
  const diagnosis = await examine({
    engine: {
      address: 'redis://there',
      hold: () => () => undefined,
      examineAddresses: async () => [],
      examine: async () => [{ check: 'version', severity: 'ok', found: 'Redis 7.2.4' }],
      serverTime: async () => Date.now(),
      isUnavailable: () => false,
    },
    caller: { ask: async () => (consumed.length === 0 ? {} : { one: stats }) },
    queues: { list: async () => queues.map((name) => ({ name, ...EMPTY })) },
    lockDurationMs: 5000,
    outbox: { examine: async () => [] },
  } as unknown as DoctorParams);
  return { ...diagnosis, queues: diagnosis.findings.find(({ check }) => check === 'queues')?.found };
}

describe('the doctor', () => {
  it('says that somebody takes from each queue only where that is so', async () => {
    const said = async (queues: readonly string[], consumed: readonly string[]) =>
      (await diagnose(queues, consumed)).queues;
    assert.equal(await said(['a', 'b'], ['a', 'b']), '2 in use, each with somebody to take from it');
    assert.equal(await said(['a', 'b'], []), '2 in use; nobody takes from "a", "b", and nothing waits there');
    assert.equal(await said(['a', 'b'], ['a']), '2 in use; nobody takes from "b", and nothing waits there');
    assert.equal(await said([], ['a']), 'none is in use so far');
  });

  it('knows the versions of all that a bug report asks for', async () => {
    const { versions } = await diagnose([], []);
    assert.equal(versions.broker, 'Redis 7.2.4');
    assert.equal(versions.node, process.version.slice(1));
    assert.match(versions.bullmq, /^\d+\.\d+\.\d+/);
    assert.match(versions.os, /^\S+ \S+ \S+$/);
  });
});
