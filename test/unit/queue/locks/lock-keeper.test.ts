import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { LONGEST_RESTART_MS, LockKeeper, RESTART_AFTER_MS } from '#src/queue/locks/lock-keeper.js';
import { RunLocks } from '#src/queue/locks/run-locks.js';

class FakeThread extends EventEmitter {
  ended = false;

  /** As Node's threads do it: the exit is told before `terminate` resolves. */
  async terminate(): Promise<void> {
    this.ended = true;
    this.emit('exit', 1);
  }

  fail(): void {
    this.emit('error', new Error('no memory'));
    this.emit('exit', 1);
  }
}

function setUp(t: TestContext, lockDurationMs = 5000, starting: () => void = () => undefined) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() });
  const threads: FakeThread[] = [];
  const errors: string[] = [];
  const keeper = new LockKeeper(
    {
      broker: 'redis://nowhere',
      prefix: 'p',
      lockDurationMs,
      blockedLoopTimeoutMs: 60_000,
      onError: ({ message }) => errors.push(message),
      logger: { warn: () => undefined },
    },
    () => {
      starting();
      const thread = new FakeThread();
      threads.push(thread);
      return thread;
    },
  );
  return { keeper, threads, errors };
}

describe('The lock keeper', () => {
  it('has one heartbeat however often its thread fails, and none after the stop', async (t) => {
    const { keeper, threads, errors } = setUp(t);
    const begun = t.mock.method(globalThis, 'setInterval');
    await keeper.start();
    for (let times = 1; times <= 3; times++) {
      threads.at(-1)?.fail();
      t.mock.timers.tick(LONGEST_RESTART_MS);
      assert.equal(threads.length, times + 1);
    }
    assert.equal(begun.mock.callCount(), 1);
    assert.equal(errors.length, 3);
    await keeper.stop();
    assert.deepEqual(
      threads.map(({ ended }) => ended),
      [false, false, false, true],
    );
  });

  it('starts a thread that cannot live ever more seldom, and logs each time why', async (t) => {
    const { keeper, threads, errors } = setUp(t);
    await keeper.start();
    for (let times = 0; times < 12; times++) {
      const dead = threads.length;
      // Whether it comes up first or not.
      if (times % 2 === 0) threads.at(-1)?.emit('message', 'ready');
      if (times % 3 === 0) threads.at(-1)?.emit('exit', 1);
      else threads.at(-1)?.fail();
      const pauseMs = Math.min(RESTART_AFTER_MS * 2 ** times, LONGEST_RESTART_MS);
      t.mock.timers.tick(pauseMs - 1);
      assert.equal(threads.length, dead, `after ${times} restarts`);
      t.mock.timers.tick(1);
      assert.equal(threads.length, dead + 1, `after ${times} restarts`);
    }
    assert.equal(errors.length, 12);
    assert.match(errors[0] ?? '', /failed: it ended; it is started again in 1 s/);
    assert.match(errors[1] ?? '', /failed: no memory; it is started again in 2 s/);
    assert.match(errors.at(-1) ?? '', /in 300 s/);
    await keeper.stop();
  });

  it('goes on without a thread that cannot even be made, until it can', async (t) => {
    let broken = true;
    const { keeper, threads, errors } = setUp(t, 1000, () => {
      if (broken) throw new Error('no such file');
    });
    await keeper.start();
    assert.equal(keeper.atWork, false);
    t.mock.timers.tick(RESTART_AFTER_MS);
    assert.equal(errors.length, 2);
    broken = false;
    t.mock.timers.tick(RESTART_AFTER_MS * 2);
    threads[0]?.emit('message', 'ready');
    assert.equal(keeper.atWork, true);
    await keeper.stop();
  });

  it('starts no thread after its stop, though a restart was due', async (t) => {
    const { keeper, threads } = setUp(t);
    await keeper.start();
    threads[0]?.fail();
    await keeper.stop();
    t.mock.timers.tick(RESTART_AFTER_MS * 10);
    assert.equal(threads.length, 1);
  });

  it('starts its thread once, and none in place of one that it has stopped', async (t) => {
    const { keeper, threads } = setUp(t);
    await keeper.start();
    await keeper.start();
    assert.equal(threads.length, 1);
    await keeper.stop();
    t.mock.timers.tick(RESTART_AFTER_MS * 10);
    assert.equal(threads.length, 1);
  });

  it('lets go of a start that waits when it is stopped, and may start again', async (t) => {
    const { keeper, threads } = setUp(t, 1000);
    const starting = keeper.start();
    await keeper.stop();
    await starting;
    await keeper.stop();
    const again = keeper.start();
    threads[1]?.emit('message', 'ready');
    await again;
    assert.deepEqual(
      threads.map(({ ended }) => ended),
      [true, false],
    );
  });

  it('waits for its thread where locks are short, though not for one that fails', async (t) => {
    const { keeper, threads } = setUp(t, 1000);
    const starting = keeper.start();
    threads[0]?.fail();
    await starting;
    await keeper.stop();
    let started = false;
    const again = keeper.start().then(() => (started = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(started, false);
    threads.at(-1)?.emit('message', 'ready');
    await again;
  });

  it('notifies every consumer of a queue of its lost locks, until that one has left', async (t) => {
    const { keeper, threads } = setUp(t);
    const heard: string[] = [];
    const leaveFirst = keeper.listen('mail', (jobId, token) => heard.push(`first ${jobId} ${token}`));
    keeper.listen('mail', (jobId, token) => heard.push(`second ${jobId} ${token}`));
    keeper.listen('other', () => heard.push('other'));
    await keeper.start();
    threads[0]?.emit('message', { lost: [{ queue: 'mail', jobId: '1', token: 'a' }] });
    leaveFirst();
    threads[0]?.emit('message', { lost: [{ queue: 'mail', jobId: '2', token: 'b' }] });
    assert.deepEqual(heard, ['first 1 a', 'second 1 a', 'second 2 b']);
  });
});

describe('Locks whose thread', () => {
  /** @returns the ids of the jobs that the main loop's timer has renewed since it was asked last */
  function locksOf(t: TestContext) {
    const { keeper, threads } = setUp(t);
    let renewed: string[] = [];
    const lost: string[] = [];
    const gone = new Set<string>();
    const worker = {
      name: 'mail',
      emit: (event: string, error: unknown) => {
        if (event === 'error') assert.fail(String(error));
        return true;
      },
      trace: (_kind: unknown, _operation: unknown, _name: unknown, body: () => unknown) => body(),
      extendJobLocks: async (ids: string[]) => {
        renewed.push(...ids);
        return ids.filter((id) => gone.has(id));
      },
    };
    const options = { lockDuration: 5000, lockRenewTime: 2500, workerId: 'w' };
    const locks = new RunLocks(worker as never, options, keeper, 'mail', (jobId, token) =>
      lost.push(`${jobId} ${token}`),
    );
    t.after(() => locks.close());
    const renewedWithin = async (ms: number) => {
      renewed = [];
      for (let passed = 0; passed < ms; passed += 50) {
        t.mock.timers.tick(50);
        for (let turns = 0; turns < 5; turns++) await undefined; // the timer begins anew when it has renewed
      }
      return [...new Set(renewed)];
    };
    return { keeper, threads, locks, renewedWithin, lost, gone };
  }

  it('does not come up are renewed by timers, until it does', async (t) => {
    const { keeper, threads, locks, renewedWithin } = locksOf(t);
    await keeper.start();
    locks.start();
    locks.hold('1', 'a', Date.now());
    assert.deepEqual(await renewedWithin(4000), ['1']);
    threads[0]?.fail();
    assert.deepEqual(await renewedWithin(4000), ['1']);
    threads.at(-1)?.emit('message', 'ready');
    assert.deepEqual(await renewedWithin(4000), []);
    assert.equal(locks.getActiveJobCount(), 1);
  });

  it('dies are renewed by timers before they are lost, and forgotten when their job ends', async (t) => {
    const { keeper, threads, locks, renewedWithin } = locksOf(t);
    await keeper.start();
    threads[0]?.emit('message', 'ready');
    const first = locks.hold('1', 'a', Date.now());
    const second = locks.hold('2', 'b', Date.now());
    assert.deepEqual(await renewedWithin(4000), []);
    threads[0]?.fail();
    assert.equal(locks.getActiveJobCount(), 2);
    assert.deepEqual(await renewedWithin(1300), ['1', '2']);
    first.release();
    first.release();
    assert.deepEqual(await renewedWithin(4000), ['2']);
    second.release();
    assert.equal(locks.getActiveJobCount(), 0);
    assert.deepEqual(await renewedWithin(4000), []);
  });

  it('is not at work are told apart by their run: a job that was fetched again keeps its new one', async (t) => {
    const { keeper, locks, renewedWithin, lost, gone } = locksOf(t);
    await keeper.start();
    const early = locks.hold('1', 'early', Date.now());
    const late = locks.hold('1', 'late', Date.now());
    early.release();
    assert.deepEqual(await renewedWithin(4000), ['1']);
    gone.add('1');
    await renewedWithin(4000);
    assert.deepEqual([...new Set(lost)], ['1 late']);
    late.release();
    assert.equal(locks.getActiveJobCount(), 0);
  });

  it('is part of no bundle are left to timers, with one warning', async () => {
    const warnings: string[] = [];
    const keeper = new LockKeeper(
      {
        broker: 'redis://nowhere',
        prefix: 'p',
        lockDurationMs: 5000,
        blockedLoopTimeoutMs: 60_000,
        onError: (error) => assert.fail(error),
        logger: { warn: (_fields, message) => void warnings.push(message) },
      },
      null,
    );
    await keeper.start();
    assert.equal(keeper.threaded, false);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /--external:celeriac/);
    await keeper.stop();
  });
});
