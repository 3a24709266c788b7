import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExpirySweeper, type ExpirySweeperParams } from '#src/worker/end/expiry-sweeper.js';
import { FakeRecords } from '../../support/fake-records.js';

const DAY = 24 * 3_600_000;
const NOW = 1_000 * DAY;

describe('The janitor', () => {
  it('takes off the list only what nobody has used for months and is empty', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const forgotten: string[] = [];
    const full = { waiting: 1, active: 0, paused: false };
    const queues = {
      note: async () => undefined,
      known: async () => [
        { name: 'last-week', notedAt: NOW - 7 * DAY },
        { name: 'last-year', notedAt: NOW - 365 * DAY },
        { name: 'last-year-but-full', notedAt: NOW - 365 * DAY },
      ],
      sizes: async (names: readonly string[]) =>
        names.map((name) => (name.endsWith('full') ? full : { ...full, waiting: 0 })),
      forget: async (names: readonly string[]) => void forgotten.push(...names),
      due: async (names: readonly string[]) => names.map(() => false),
    };
    const janitor = new ExpirySweeper({
      engine: { queues, records: new FakeRecords(), isUnavailable: () => false, reclaim: async () => false },
      clock: { now: () => NOW },
      logger: { warn: (fields: object) => assert.fail(JSON.stringify(fields)) },
      resultExpiresMs: DAY,
      failureExpiresMs: DAY,
      queues: () => ['own'],
    } as unknown as ExpirySweeperParams);
    janitor.start();
    t.mock.timers.tick(60_000);
    await janitor.stop();
    assert.deepEqual(forgotten, ['last-year']);
  });
});
