import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueSizes } from '#src/broker/queue-admin.js';
import { Queues } from '#src/control/queues.js';
import type { PurgeParams } from '#src/results/purge.js';

const DAY = 24 * 3_600_000;
const NOW = 1_000 * DAY;
const EMPTY: QueueSizes = {
  waiting: 0,
  active: 0,
  delayed: 0,
  waitingChildren: 0,
  failed: 0,
  finished: 0,
  paused: false,
};

describe('The list of queues', () => {
  it('hides a queue that is idle, forgets none, and shows it as soon as something is in it', async () => {
    const sizes = new Map<string, QueueSizes>();
    const forgotten: string[] = [];
    const queues = {
      known: async () => [
        { name: 'weekly', notedAt: NOW - 7 * DAY },
        { name: 'daily', notedAt: NOW - DAY / 2 },
      ],
      sizes: async (names: readonly string[]) => names.map((name) => sizes.get(name) ?? EMPTY),
      forget: async (names: readonly string[]) => void forgotten.push(...names),
    };
    const list = new Queues({ engine: { queues }, clock: { now: () => NOW } } as unknown as PurgeParams);
    const names = async () => (await list.list()).map(({ name }) => name);
    assert.deepEqual(await names(), ['daily']);
    // The caller that noted it a week ago sends again.
    sizes.set('weekly', { ...EMPTY, waiting: 1 });
    assert.deepEqual(await names(), ['daily', 'weekly']);
    assert.equal(await list.isKnown('weekly'), true);
    assert.deepEqual(forgotten, []);
  });
});
