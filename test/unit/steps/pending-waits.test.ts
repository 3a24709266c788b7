import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { PendingWaits } from '#src/steps/pending-waits.js';
import type { RaceEntry } from '#src/steps/races.js';

function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const seen = { now: 0, answered: new Set<string>(), over: false, idle: 0 };
  const waits = new PendingWaits({
    now: () => seen.now,
    answered: async (name) => seen.answered.has(name),
    over: () => seen.over,
    idle: () => void seen.idle++,
  });
  /** Lets the time of one look pass. */
  const look = async () => {
    t.mock.timers.tick(250);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { seen, waits, look };
}

const entry = (over: Partial<RaceEntry> = {}): RaceEntry => ({ decided: false, inAll: false, ...over });

describe('The waits of a stretch', () => {
  it('may be parked for while nothing has ended beside them, and in an `all` even then', (t) => {
    const { waits } = setUp(t);
    void waits.add({ kind: 'wait', name: 'a' }, entry());
    assert.equal(waits.mayPark, true);
    waits.settled();
    assert.equal(waits.mayPark, false);
    void waits.add({ kind: 'wait', name: 'b' }, entry({ inAll: true }));
    waits.settled();
    assert.equal(waits.mayPark, true);
    assert.deepEqual(waits.close(), [
      { kind: 'wait', name: 'a' },
      { kind: 'wait', name: 'b' },
    ]);
  });

  it('end here when they are live: a sleep by its time, a wait by its value', async (t) => {
    const { seen, waits, look } = setUp(t);
    const ended: string[] = [];
    const watch = (name: string, ending: Promise<void>) => void ending.then(() => ended.push(name));
    watch('nap', waits.add({ kind: 'sleep', name: 'nap', until: 1000 }, entry()));
    watch('go', waits.add({ kind: 'wait', name: 'go' }, entry()));
    waits.live();
    await look();
    assert.deepEqual(ended, []);
    seen.answered.add('go');
    await look();
    assert.deepEqual(ended, ['go']);
    waits.live();
    seen.now = 1000;
    await look();
    assert.deepEqual(ended, ['go', 'nap']);
  });

  it('say that the task is idle when nothing was seen of it for a while, once, and not of decided races', async (t) => {
    const { seen, waits, look } = setUp(t);
    const loser = entry({ decided: true });
    void waits.add({ kind: 'wait', name: 'cancel' }, loser);
    waits.live();
    for (let i = 0; i < 15; i++) await look();
    assert.equal(seen.idle, 0, 'the task goes on with what has won');
    void waits.add({ kind: 'wait', name: 'other' }, entry());
    waits.live();
    for (let i = 0; i < 11; i++) await look();
    assert.equal(seen.idle, 0);
    for (let i = 0; i < 10; i++) await look();
    assert.equal(seen.idle, 1);
    waits.live();
    for (let i = 0; i < 12; i++) await look();
    assert.equal(seen.idle, 2, 'something was seen meanwhile');
    seen.over = true;
    for (let i = 0; i < 15; i++) await look();
    assert.equal(seen.idle, 2);
  });
});
