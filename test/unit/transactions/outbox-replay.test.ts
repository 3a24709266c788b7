import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RelayedCall } from '#src/broker/relayed-jobs.js';
import { isCeleriacError } from '#src/errors.js';
import { writeCall } from '#src/transactions/outbox/calls.js';
import { OutboxReplay, type ReplayParams } from '#src/transactions/outbox/replay.js';

/** A broker that refuses what `refuses` says. */
function broker(
  refuses: (mark: string) => Error | undefined,
  probe: () => Error | undefined = () => undefined,
) {
  const sent: string[] = [];
  const steps: number[] = [];
  const add = async (calls: readonly RelayedCall[]) => {
    steps.push(calls.length);
    for (const { mark } of calls) {
      const error = refuses(mark);
      if (error !== undefined) throw error;
    }
    sent.push(...calls.map(({ mark }) => mark));
  };
  const create = async () => {
    const error = probe();
    if (error !== undefined) throw error;
    return true;
  };
  const engine = {
    address: 'here',
    isUnavailable: (error: Error) => error.message === 'away',
    relayed: { add, seen: async () => [], release: async () => undefined },
    records: { create },
  };
  return { sent, steps, replay: new OutboxReplay({ engine } as unknown as ReplayParams) };
}

function rows(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const envelope = {
      taskId: `${i}`,
      jobId: `${i}`,
      queue: 'q',
      name: 'n',
      data: '{}',
      sentAt: 1,
      delayMs: 0,
      priority: 0,
    };
    return { id: `${i}`, key: `k${i}`, calls: writeCall({ kind: 'tasks', envelopes: [envelope] }) };
  });
}

describe('Rows of an outbox', () => {
  it('are sent in steps that do not hold up the broker', async () => {
    const { replay, sent, steps } = broker(() => undefined);
    assert.deepEqual(await replay.send(rows(600)), new Map());
    assert.equal(sent.length, 600);
    assert.deepEqual(steps, [250, 250, 100]);
  });

  it('are sent one by one when one of them is refused, and that one is set aside', async () => {
    const { replay, sent } = broker((mark) => (mark === 'k1' ? new Error('too large') : undefined));
    assert.deepEqual(await replay.send(rows(3)), new Map([['1', 'too large']]));
    assert.deepEqual(sent, ['k0', 'k2']);
  });

  it('wait while the broker refuses everything, or is away', async () => {
    const forbidden = broker(
      () => new Error('no rights'),
      () => new Error('no rights at all'),
    );
    await assert.rejects(forbidden.replay.send(rows(2)), /no rights at all/);
    const away = broker(() => new Error('away'));
    await assert.rejects(away.replay.send(rows(2)), /away/);
    assert.deepEqual(away.steps, [2]);
  });

  it('are left to other relays when this one was frozen for too long', async (t) => {
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const { replay, sent } = broker(() => {
      now += 1_000;
      return undefined;
    });
    await assert.rejects(replay.send(rows(400)), (error: unknown) =>
      isCeleriacError(error, 'BROKER_UNAVAILABLE'),
    );
    assert.equal(sent.length, 250);
  });
});
