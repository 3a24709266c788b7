/** Every duration that a user can write may be longer than Node's timers take: none of it may happen at once instead. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { every } from 'celeriac';
import { type Ground, gate, onEveryEngine } from '../support/app.js';

const LONG = '60d';

/** What Node says when it cuts a timer to a millisecond. */
function overflows(t: TestContext): string[] {
  const seen: string[] = [];
  const note = ({ name, stack }: Error) => {
    if (name === 'TimeoutOverflowWarning') seen.push(String(stack));
  };
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  return seen;
}

function suite(ground: Ground): void {
  describe('Durations of sixty days', () => {
    it('in every option of an app, a worker, a task and a call mean what they say', async (t) => {
      const seen = overflows(t);
      const { app } = ground.app(t, {
        publishRetry: LONG,
        resultExpires: LONG,
        failureExpires: LONG,
        lockDuration: LONG,
        blockedLoopTimeout: LONG,
        unknownTaskGrace: LONG,
      });
      const begun = gate();
      const go = gate();
      const work = app.task(
        'work',
        {
          timeLimit: LONG,
          softTimeLimit: LONG,
          schedule: every(LONG),
          unique: { mode: 'reject', ttl: LONG },
        },
        async function () {
          begun.open();
          await go.opened;
          return this.signal.aborted;
        },
      );
      const again = app.task('again', { maxRetries: 1, defaultRetryDelay: LONG, autoretryFor: true }, () => {
        throw new Error('later');
      });
      const worker = app.worker({ shutdownTimeout: LONG, concurrency: 4 });
      await worker.start();
      const late = await again.delay();
      const far = await again.applyAsync([], { countdown: LONG });
      const running = await work.applyAsync([], { expires: LONG });
      const waiting = running.get({ timeout: LONG });
      await begun.opened;
      const active = await app.inspect({ timeout: LONG }).active();
      assert.equal(Object.keys(active).length, 1);
      const stopped = worker.stop();
      go.open();
      assert.equal(await waiting, false);
      await stopped;
      assert.equal(await far.status, 'PENDING');
      assert.notEqual(await late.status, 'FAILURE');
      assert.deepEqual(seen, []);
    });
  });
}

onEveryEngine(suite);
