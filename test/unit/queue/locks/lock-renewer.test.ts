import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeldLock } from '#src/broker/lock-renewal.js';
import { LockRenewer } from '#src/queue/locks/lock-renewer.js';
import { LockTable, LockTableReader, newLockMemory } from '#src/queue/locks/lock-table.js';

const LOCK_MS = 1000;

/** A renewer on a clock that is moved by hand, over a real table and a broker that answers as it is told. */
function setUp(extend: (locks: readonly HeldLock[]) => Promise<readonly string[]>) {
  const memory = newLockMemory();
  const table = new LockTable(memory);
  const lost: string[] = [];
  let now = 0;
  table.beat();
  const renewer = new LockRenewer({
    table: new LockTableReader(memory),
    lockDurationMs: LOCK_MS,
    blockedLoopTimeoutMs: 60_000,
    extend: (_queue, locks) => extend(locks),
    onLost: (locks) => lost.push(...locks.map(({ token }) => token)),
    now: () => now,
  });
  return {
    renewer,
    lost,
    hold: (token: string) => table.add({ queue: 'q', jobId: `job of ${token}`, token }) ?? assert.fail(),
    release: (entry: number) => table.remove(entry),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const never = () => new Promise<never>(() => undefined);

describe('The lock renewer', () => {
  it('reports a lock that ran out while its renewal got no answer', async () => {
    const { renewer, lost, hold, pass } = setUp(never);
    hold('a');
    await renewer.renew();
    pass(200);
    void renewer.renew(); // which hangs from here on
    pass(LOCK_MS - 200);
    renewer.reportExpired();
    assert.deepEqual(lost, [], 'it is ours until its end');
    pass(1);
    renewer.reportExpired();
    assert.deepEqual(lost, ['a']);
  });

  it('counts from when a renewal was sent, however late its answer comes', async () => {
    let answer: (lost: readonly string[]) => void = () => assert.fail('nothing was asked');
    const { renewer, lost, hold, pass } = setUp(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    hold('a');
    await renewer.renew();
    pass(200);
    const renewing = renewer.renew();
    pass(900);
    answer([]);
    await renewing;
    renewer.reportExpired();
    assert.deepEqual(lost, []);
    pass(101);
    renewer.reportExpired();
    assert.deepEqual(lost, ['a']);
  });

  it('reports what the broker says is gone, once, and renews it no more', async () => {
    const asked: string[] = [];
    const { renewer, lost, hold, pass } = setUp(async (locks) => {
      asked.push(...locks.map(({ token }) => token));
      return ['job of b'];
    });
    hold('a');
    hold('b');
    for (let look = 0; look < 3; look++) {
      await renewer.renew();
      renewer.reportExpired();
      pass(200);
    }
    assert.deepEqual(lost, ['b']);
    assert.deepEqual(asked, ['a', 'b', 'a']);
  });

  it('leaves alone what is held for less than two looks, and says nothing of what was let go', async () => {
    const asked: string[] = [];
    const { renewer, lost, hold, release, pass } = setUp(async (locks) => {
      asked.push(...locks.map(({ token }) => token));
      return [];
    });
    const first = hold('first');
    await renewer.renew();
    release(first);
    hold('second'); // in the same place of the table
    pass(200);
    await renewer.renew();
    assert.deepEqual(asked, []);
    pass(200);
    await renewer.renew();
    assert.deepEqual(asked, ['second']);
    pass(LOCK_MS);
    renewer.reportExpired();
    assert.deepEqual(lost, []);
    pass(1);
    renewer.reportExpired();
    assert.deepEqual(lost, ['second']);
  });

  it('says nothing of the clock on the wall', async (t) => {
    const memory = newLockMemory();
    const table = new LockTable(memory);
    table.beat();
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 });
    assert.ok(new LockTableReader(memory).blockedForMs() < 60_000, 'set forward: nothing is blocked');
    t.mock.timers.setTime(0);
    assert.ok(new LockTableReader(memory).blockedForMs() >= 0, 'set back: nothing is muted');
  });
});
