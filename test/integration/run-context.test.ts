/** What asynchronous context a task's code runs in: its own call's, in listeners of its signal too, and nobody else's. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it, type TestContext } from 'node:test';
import {
  type Celeriac,
  currentTask,
  every,
  SoftTimeLimitExceeded,
  Task,
  TaskRevokedError,
  TaskService,
  TimeLimitExceeded,
} from 'celeriac';
import { gate, onEveryEngine, pause, rejection, until, within } from '../support/app.js';

/** What listeners of signals saw: the id and reason they read by `this`. */
type Heard = { readonly id: string; readonly reason: unknown; readonly current: string | undefined };

/** A service whose task ends by its signal, and reads everything in the listener. */
function listening(app: Celeriac, options: object = {}) {
  const heard: Heard[] = [];
  const running = gate();
  class Listener extends TaskService {
    @Task('listener', options)
    async run(): Promise<void> {
      await new Promise((_, reject) => {
        this.signal.addEventListener('abort', () => {
          heard.push({
            id: this.request.id,
            reason: this.signal.reason,
            current: currentTask()?.request.id,
          });
          reject(this.signal.reason);
        });
        running.open();
      });
    }
  }
  return { heard, running: running.opened, handle: app.register(new Listener()).run };
}

/** The exceptions that nobody caught while the test ran: each would have ended a worker's process. */
function uncaught(t: TestContext): unknown[] {
  const seen: unknown[] = [];
  const note = (error: unknown) => void seen.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', note);
  t.after(() => {
    process.off('uncaughtException', note);
    for (const other of others) process.on('uncaughtException', other);
  });
  return seen;
}

describe('A listener of this.signal in a service', () => {
  onEveryEngine(
    (ground) => {
      it('finds its call at the soft limit and at the hard one', async (t) => {
        const crashed = uncaught(t);
        const soft = ground.app(t);
        const softly = listening(soft.app, { softTimeLimit: 30 });
        await soft.worker();
        const first = await softly.handle.delay();
        const error = await rejection(first.get({ timeout: '20s' }));
        assert(error.cause instanceof SoftTimeLimitExceeded);
        const hard = soft.twin();
        const hardly = listening(hard, { timeLimit: 30 });
        await hard.worker({ queues: ['hard'] }).start();
        const second = await hardly.handle.applyAsync([], { queue: 'hard' });
        await rejection(second.get({ timeout: '20s' }));
        await until(() => hardly.heard.length === 1 || crashed.length > 0, 'word of the listener');
        assert.deepEqual(crashed, []);
        assert.deepEqual(
          [...softly.heard, ...hardly.heard].map(({ id, current }) => [id, current]),
          [
            [first.id, first.id],
            [second.id, second.id],
          ],
        );
        assert(hardly.heard[0]?.reason instanceof TimeLimitExceeded);
      });

      it('finds its call when it is revoked, and when its worker stops', async (t) => {
        const crashed = uncaught(t);
        const { app, worker } = ground.app(t);
        const { handle, heard, running } = listening(app);
        await worker();
        const revoked = await handle.delay();
        await running;
        await revoked.revoke({ terminate: true });
        assert((await rejection(revoked.get({ timeout: '20s' }))) instanceof TaskRevokedError);
        await until(() => heard.length === 1 || crashed.length > 0, 'word of the listener');
        const stopped = await handle.delay();
        await until(async () => (await stopped.status) === 'STARTED', 'the start');
        await app.close();
        assert.deepEqual(crashed, []);
        assert.deepEqual(
          heard.map(({ id }) => id),
          [revoked.id, stopped.id],
        );
      });
    },
    ['redis'],
  );
});

describe('What users keep in an AsyncLocalStorage of their own', () => {
  onEveryEngine(
    (ground) => {
      it('does not go from one task to the next, nor from the start of a worker into tasks and ticks', async (t) => {
        const { app } = ground.app(t);
        const request = new AsyncLocalStorage<string>();
        const ticked = gate<string | undefined>();
        const own = app.task('own', { pool: 'async' }, async (name: string) => {
          const before = request.getStore() ?? 'nothing';
          request.enterWith(name);
          await pause(1);
          return [before, request.getStore()];
        });
        const tick = app.task('tick', { schedule: every('50ms') }, () => ticked.open(request.getStore()));
        assert.equal(tick.name, 'tick');
        const worker = app.worker({ concurrency: 1 });
        await request.run('the request that started the worker', () => worker.start());
        for (const name of ['a', 'b', 'c']) {
          assert.deepEqual(await (await own.delay(name)).get({ timeout: '20s' }), ['nothing', name]);
        }
        assert.equal(await within(ticked.opened, 'a tick'), undefined);
      });

      it('stays with a task to its end, and is there in listeners of its signal', async (t) => {
        const { app, worker } = ground.app(t);
        const request = new AsyncLocalStorage<string>();
        const task = app.task('keeps', { softTimeLimit: 30 }, async function () {
          return request.run('mine', () => {
            const { signal } = this;
            return new Promise((resolve) =>
              signal.addEventListener('abort', () => resolve(request.getStore())),
            );
          });
        });
        await worker();
        assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'mine');
      });
    },
    ['redis'],
  );
});
