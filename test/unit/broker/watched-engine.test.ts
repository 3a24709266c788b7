import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine } from '#src/broker/broker.js';
import { WatchedEngine } from '#src/broker/watched-engine.js';
import { clockAt } from '../../support/fake-engine.js';
import { FakePlaces } from '../../support/fake-places.js';
import { FakeRecords } from '../../support/fake-records.js';

describe('An engine that tests follow', () => {
  it('drops the places of what was put in, and those of nobody else', async () => {
    const places = new FakePlaces();
    const streams = { remove: async () => undefined };
    const under = { places, streams, records: new FakeRecords() } as unknown as Engine;
    const watched = new WatchedEngine(under, clockAt(1000), {
      watch: { added: () => undefined, ended: () => undefined },
      alone: true,
      closeToo: [],
    });
    const asking = { limit: 2, now: 1000, mostWaiters: 10, doubtedBefore: 0 };
    const ref = (id: string) => ({ queue: 'q', id });
    const enter = (id: string) => watched.engine.places.enter('x', ref(id), asking);
    await places.enter('x', ref('theirs'), asking);
    for (const id of ['gone', 'holds', 'waits']) {
      if (id === 'holds') await watched.engine.places.leave('x', 2, ref('gone'), 1000);
      await enter(id);
    }
    await watched.clear();
    assert.deepEqual(places.held('x'), ['theirs']);
    assert.deepEqual(await places.leave('x', 2, ref('theirs'), 1000), [], 'nobody is in line');
  });
});
