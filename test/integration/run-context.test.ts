/** What asynchronous context a task's code runs in: its own call's, in listeners of its signal too, and nobody else's. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, it, type TestContext } from 'node:test';
import {
  type AsyncResult,
  type Celeriac,
  chain,
  currentTask,
  every,
  GroupResult,
  group,
  SoftTimeLimitExceeded,
  Task,
  type TaskContext,
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

describe('A task that calls others', () => {
  onEveryEngine((ground) => {
    it('has them under its children, whatever they are, and while it runs in its request', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const one = app.task('one', async (..._: unknown[]) => 1);
      const parent = app.task('parent', async function (fail: boolean) {
        const single = await one.delay();
        const whole = await chain(one.s(), one.s()).delay();
        const members = await group(one.s(), one.s()).delay();
        const many = await app.publish([one.s(), one.s()]);
        const ids = [single, whole, members, ...many].map(({ id }) => id);
        assert.deepEqual(
          this.request.children.map(({ id }) => id),
          ids,
        );
        if (fail) throw new RangeError(ids.join());
        return ids;
      });
      const lonely = app.task('lonely', async function () {
        return this.request.children.length;
      });
      await worker();
      const sent = await parent.delay(false);
      const ids = await sent.get({ timeout: '20s' });
      const children = await twin().result(sent.id).children;
      assert.deepEqual(
        children.map(({ id }) => id),
        ids,
      );
      assert.ok(children[2] instanceof GroupResult);
      assert.deepEqual(await children[2].get({ timeout: '20s' }), [1, 1]);
      assert.equal(await (children[0] as AsyncResult).get({ timeout: '20s' }), 1);
      const failed = await parent.delay(true);
      await rejection(failed.get({ timeout: '20s' }));
      assert.equal((await failed.children).length, 5);
      const alone = await lonely.delay();
      assert.deepEqual([await alone.get({ timeout: '20s' }), await alone.children], [0, []]);
    });

    it('has them once its workflow goes on', async (t) => {
      const { app, worker } = ground.app(t);
      const one = app.task('one', async () => 1);
      const caller = app.task('caller', async function () {
        const { id, retries } = this.request;
        await one.applyAsync([], { taskId: `called by ${id}, ${retries}` });
        // Then there is a trail before, and to add to it takes longest.
        return retries === 0 ? this.retry({ countdown: 1 }) : id;
      });
      const reader = app.task('reader', async (id: string) =>
        (await app.result(id).children)
          .map((child) => child.id)
          .filter((child) => child.startsWith('called')),
      );
      await worker({ concurrency: 4 });
      for (let n = 0; n < 10; n++) {
        const result = await chain(caller.s(), reader.s()).delay();
        const called = [0, 1].map((retries) => `called by ${result.parent?.id}, ${retries}`);
        assert.deepEqual(await result.get({ timeout: '20s' }), called);
      }
    });

    it('knows its links, its shown name, and whether a result is wanted', async (t) => {
      const { app, worker } = ground.app(t);
      const seen: unknown[] = [];
      const next = app.task('next', async (..._: unknown[]) => undefined);
      const asked = app.task('asked', async function (..._: unknown[]) {
        const { links, shadow, ignoreResult, tags } = this.request;
        seen.push({ links: links.map(({ name }) => name), shadow, ignoreResult, tags });
        return links.map(({ id }) => id);
      });
      await worker();
      const options = { link: [next.s(), chain(asked.si(), next.s())], shadow: 'shown', tags: ['a'] };
      const [first = ''] = await (await asked.applyAsync([], options)).get({ timeout: '20s' });
      await app.result(first).get({ timeout: '20s' });
      await until(() => seen.length === 2, 'the link');
      await (await asked.applyAsync([], { ignoreResult: true })).get({ timeout: '20s' });
      await until(() => seen.length === 3, 'the one without a result');
      assert.deepEqual(seen, [
        { links: ['next', 'asked'], shadow: 'shown', ignoreResult: false, tags: ['a'] },
        { links: [], shadow: undefined, ignoreResult: false, tags: ['a'] },
        { links: [], shadow: undefined, ignoreResult: true, tags: [] },
      ]);
    });

    it('gives them its priority where they inherit it, and have none of their own', async (t) => {
      const { app, worker } = ground.app(t, { inheritPriority: true });
      const tell = async function (this: TaskContext, ..._: unknown[]) {
        return this.request.priority;
      };
      const inner = app.task('inner', tell);
      const own = app.task('own', { priority: 3 }, tell);
      const apart = app.task('apart', { inheritPriority: false }, tell);
      const outer = app.task('outer', async () =>
        [
          await inner.delay(),
          await inner.applyAsync([], { priority: 4 }),
          await own.delay(),
          await apart.delay(),
          await chain(inner.s(), inner.s()).delay(),
        ].map(({ id }) => id),
      );
      await worker();
      const sent = await outer.applyAsync([], { priority: 7 });
      const ids = await sent.get({ timeout: '20s' });
      const values = await Promise.all(ids.map((id) => app.result<number>(id).get({ timeout: '20s' })));
      assert.deepEqual(values, [7, 4, 3, 0, 7]);
      assert.equal(await (await inner.delay()).get({ timeout: '20s' }), 0, 'outside any task');
    });
  });
});
