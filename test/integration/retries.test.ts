import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  chain,
  currentTask,
  Ignore,
  MaxRetriesExceededError,
  Reject,
  type RetryOptions,
  TaskFailedError,
  type Update,
} from 'celeriac';
import { z } from 'zod';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';

class Flaky extends Error {}
class Fatal extends Flaky {}

describe('Retries', () => {
  onEveryEngine((ground) => {
    it('this.retry() runs the task again under the same id, until it returns', async (t) => {
      const { app, worker } = ground.app(t);
      const seen: unknown[] = [];
      const task = app.task('manual', function (n: number) {
        seen.push([this.request.id, this.request.retries, this.request.deliveries]);
        if (this.request.retries < 2) this.retry({ countdown: 5, error: new Flaky('not yet') });
        return n;
      });
      await worker();
      const sent = await task.delay(3);
      assert.equal(await sent.get({ timeout: '20s' }), 3);
      assert.deepEqual(seen, [
        [sent.id, 0, 1],
        [sent.id, 1, 2],
        [sent.id, 2, 3],
      ]);
      const { retries, deliveries, state } = await sent.snapshot();
      assert.deepEqual({ retries, deliveries, state }, { retries: 2, deliveries: 3, state: 'SUCCESS' });
    });

    it('code after this.retry() does not run', async (t) => {
      const { app, worker } = ground.app(t);
      let after = 0;
      const task = app.task('stops', function () {
        if (this.request.retries > 0) return 'second';
        this.retry({ countdown: 1 });
        after++;
        return 'first';
      });
      await worker();
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'second');
      assert.equal(after, 0);
    });

    it('while it waits for its retry the state is RETRY, with the causing error', async (t) => {
      const { app, worker, twin } = ground.app(t);
      app.errors.register(Flaky);
      const task = app.task('waits', function () {
        this.retry({ countdown: '1h', error: new Flaky('because of this') });
      });
      await worker();
      const sent = await task.delay();
      await until(async () => (await sent.status) === 'RETRY', 'RETRY');
      const { state, error, retries, known, value } = await sent.snapshot();
      assert.deepEqual(
        { state, retries, known, value },
        { state: 'RETRY', retries: 1, known: true, value: undefined },
      );
      assert(error instanceof Flaky);
      assert.equal(error.message, 'because of this');
      const info = await twin().result(sent.id).info;
      assert(info instanceof Error);
      assert.equal(info.message, 'because of this');
      assert.equal(await sent.ready(), false);
    });

    it('updates() tells RETRY between the attempts', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('twice', function () {
        if (this.request.retries === 0) this.retry({ countdown: 800, error: new Flaky('x') });
        return 'done';
      });
      const sent = await task.delay();
      const seen: Update['state'][] = [];
      for await (const { state } of sent.updates()) {
        seen.push(state);
        if (state === 'PENDING') await worker();
      }
      assert.deepEqual(
        seen.filter((state) => state !== 'STARTED'),
        ['PENDING', 'RETRY', 'SUCCESS'],
      );
    });

    it('autoretryFor a class retries its errors and no others; dontAutoretryFor wins', async (t) => {
      const { app, worker } = ground.app(t);
      const runs: Record<string, number> = {};
      const options = {
        autoretryFor: [Flaky],
        dontAutoretryFor: [Fatal],
        maxRetries: 2,
        defaultRetryDelay: 1,
      };
      const task = app.task('auto', options, (kind: string) => {
        runs[kind] = (runs[kind] ?? 0) + 1;
        throw kind === 'flaky' ? new Flaky(kind) : kind === 'fatal' ? new Fatal(kind) : new TypeError(kind);
      });
      await worker();
      for (const kind of ['flaky', 'fatal', 'other']) {
        const error = await rejection((await task.delay(kind)).get({ timeout: '20s' }));
        assert(error instanceof TaskFailedError);
        assert.equal((error.cause as Error).message, kind);
      }
      assert.deepEqual(runs, { flaky: 3, fatal: 1, other: 1 });
    });

    it('autoretryFor true retries whatever is thrown; a predicate decides by the error', async (t) => {
      const { app, worker } = ground.app(t);
      const all = app.task('all', { autoretryFor: true, defaultRetryDelay: 1 }, function () {
        if (this.request.retries < 2) throw 'a string';
        return 'finally';
      });
      const some = app.task(
        'some',
        {
          autoretryFor: (error) => error instanceof Error && error.message === 'again',
          defaultRetryDelay: 1,
        },
        function () {
          throw new Error(this.request.retries === 0 ? 'again' : 'never again');
        },
      );
      await worker();
      assert.equal(await (await all.delay()).get({ timeout: '20s' }), 'finally');
      const sent = await some.delay();
      assert.match((await rejection(sent.get({ timeout: '20s' }))).message, /never again/);
      assert.equal((await sent.snapshot()).retries, 1);
    });

    it('fails with the cause when retries are used up, however the retry was asked for', async (t) => {
      const { app, worker } = ground.app(t);
      const runs = new Counter();
      const task = app.task(
        'exhausted',
        { maxRetries: 2, defaultRetryDelay: 1, throws: [Flaky] },
        function () {
          runs.add();
          this.retry({ error: new Flaky(`attempt ${this.request.retries}`) });
        },
      );
      await worker();
      const sent = await task.delay();
      const error = await rejection(sent.get({ timeout: '20s' }));
      assert(error instanceof TaskFailedError);
      assert(error.cause instanceof Flaky);
      assert.equal(error.cause.message, 'attempt 2');
      assert.equal(runs.count, 3);
      assert.equal((await sent.snapshot()).retries, 2);
    });

    it('fails with MaxRetriesExceededError when there is no cause', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('causeless', { maxRetries: 1, defaultRetryDelay: 1 }, function () {
        this.retry();
      });
      await worker();
      const error = await rejection((await task.delay()).get({ timeout: '20s' }));
      assert(error.cause instanceof MaxRetriesExceededError);
    });

    it('maxRetries of the call wins over the task’s; null retries for ever', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task(
        'limited',
        { maxRetries: 5, autoretryFor: true, defaultRetryDelay: 1 },
        function () {
          if (this.request.retries < 8) throw new Flaky(`${this.request.retries}`);
          return this.request.retries;
        },
      );
      await worker();
      const never = await task.applyAsync([], { maxRetries: 0 });
      assert.equal(((await rejection(never.get({ timeout: '20s' }))).cause as Error).message, '0');
      const once = await task.applyAsync([], { maxRetries: 1 });
      assert.equal(((await rejection(once.get({ timeout: '20s' }))).cause as Error).message, '1');
      const forever = await task.applyAsync([], { maxRetries: null });
      assert.equal(await forever.get({ timeout: '20s' }), 8);
    });

    it('waits as long as retryDelay says, which sees the error and the count', async (t) => {
      const { app, worker } = ground.app(t);
      const asked: unknown[] = [];
      const options = {
        autoretryFor: true as const,
        retryDelay: (error: unknown, retries: number) => {
          asked.push([(error as Error).message, retries]);
          return 5;
        },
      };
      const task = app.task('own-rule', options, function () {
        if (this.request.retries < 2) throw new Flaky(`n${this.request.retries}`);
      });
      await worker();
      await (await task.delay()).get({ timeout: '20s' });
      assert.deepEqual(asked, [
        ['n0', 0],
        ['n1', 1],
      ]);
    });

    it('a retry rule that throws ends the task with the task’s own error, and is logged', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const broken = () => {
        throw new RangeError('broken rule');
      };
      const rules = {
        delay: { autoretryFor: true as const, retryDelay: broken },
        predicate: { autoretryFor: broken },
        nonsense: { autoretryFor: true as const, retryDelay: () => 'soon' },
      };
      const tasks = Object.entries(rules).map(([name, options]) =>
        app.task(`broken-${name}`, options, () => {
          throw new Flaky('its own');
        }),
      );
      await worker();
      for (const task of tasks) {
        const sent = await task.delay();
        const error = await rejection(sent.get({ timeout: '20s' }));
        assert.match(error.message, /Flaky: its own/);
        const line = lines.find(
          ({ fields, message }) => fields.taskId === sent.id && message.includes('retry rule'),
        );
        assert(line?.level === 'error' && line.fields.error instanceof Error);
      }
    });

    it('a retry waits at least its countdown', async (t) => {
      const { app, worker } = ground.app(t);
      const starts: number[] = [];
      const task = app.task('spaced', function () {
        starts.push(Date.now());
        if (this.request.retries === 0) this.retry({ countdown: 300 });
      });
      await worker();
      await (await task.delay()).get({ timeout: '20s' });
      const [first = 0, second = 0] = starts;
      assert(second - first >= 300, `${second - first} ms`);
    });

    it('retry() refuses what it cannot use, and the task fails with that', async (t) => {
      const { app, worker } = ground.app(t);
      const wrong: Record<string, unknown> = {
        misspelt: { countdwn: 1 },
        duration: { countdown: 'soon' },
        moment: { eta: 'soon' },
        both: { countdown: 1, eta: new Date() },
        retries: { maxRetries: -1 },
        number: 5,
        nothing: null,
        error: new Error('given as it is'),
        args: { args: 5 },
        queue: { queue: 'two words' },
        priority: { priority: -1 },
        headers: { headers: [] },
        limits: { softTimeLimit: 20, timeLimit: 10 },
        other: { taskId: 'mine' },
      };
      const task = app.task('wrong', async function (what: string) {
        this.retry(wrong[what] as RetryOptions);
      });
      await worker();
      for (const what of Object.keys(wrong)) {
        const error = await rejection((await task.delay(what)).get({ timeout: '20s' }));
        assert.equal((error as TaskFailedError).errorName, 'OptionError', `${what}: ${error}`);
      }
    });

    it('a retry in the past comes at once, one beyond all calendars waits and can be revoked', async (t) => {
      const { app, worker } = ground.app(t);
      const past = app.task('past', function (options: { countdown?: number | string; eta?: string }) {
        if (this.request.retries === 0) this.retry(options);
        return 'again';
      });
      const far = app.task('far', { maxRetries: null }, function () {
        this.retry({ countdown: 1e300 });
      });
      const ruled = app.task('ruled', { autoretryFor: true, retryDelay: () => 1e300 }, () => {
        throw new Error('ruled');
      });
      await worker();
      for (const options of [{ countdown: -5 }, { countdown: '-1h' }, { eta: '1999-12-31' }])
        assert.equal(await (await past.delay(options)).get({ timeout: '20s' }), 'again');
      for (const task of [far, ruled]) {
        const waiting = await task.delay();
        await until(async () => (await waiting.status) === 'RETRY', 'the wait for a retry');
        await waiting.revoke();
        assert.equal(await waiting.status, 'REVOKED');
      }
    });

    it('a progress state of an earlier attempt is history: the next one is STARTED', async (t) => {
      const { app, worker } = ground.app(t);
      const states: string[] = [];
      const task = app.task('fresh', async function (id: string) {
        states.push(await app.result(id).status);
        if (this.request.retries > 0) return;
        await this.updateState('PROGRESS', { n: 1 });
        states.push(await app.result(id).status);
        this.retry({ countdown: 1 });
      });
      await worker();
      const sent = await task.applyAsync(['fresh-1'], { taskId: 'fresh-1' });
      await sent.get({ timeout: '20s' });
      assert.deepEqual(states, ['STARTED', 'PROGRESS', 'STARTED']);
    });

    it('a retry may change arguments, priority, headers, tags and limits of the attempts after it', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('changes', async function (n: number): Promise<unknown> {
        const { args, priority, headers, tags, timeLimit, softTimeLimit, retries } = this.request;
        if (retries === 0)
          this.retry({
            countdown: 1,
            args: [n + 1],
            priority: 7,
            headers: { own: 2, more: 3 },
            tags: ['again'],
            timeLimit: '1m',
            softTimeLimit: null,
          });
        if (retries === 1) this.retry({ countdown: 0 });
        return { n, args, priority, headers, tags, timeLimit, softTimeLimit };
      });
      await worker();
      const sent = await task.applyAsync([1], {
        headers: { kept: 1, own: 1 },
        tags: ['first'],
        softTimeLimit: 900,
      });
      assert.deepEqual(await sent.get({ timeout: '20s' }), {
        n: 2,
        args: [2],
        priority: 7,
        headers: { kept: 1, own: 2, more: 3 },
        tags: ['first', 'again'],
        timeLimit: 60_000,
      });
      const { args, tags, retries } = await sent.snapshot();
      assert.deepEqual({ args, tags, retries }, { args: [2], tags: ['first', 'again'], retries: 2 });
    });

    it('arguments that the task does not take fail it, as they fail a call', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('strict', { args: [z.string()] }, function (what: string) {
        if (what === 'first') this.retry({ countdown: 1, args: [5] });
        return what;
      });
      await worker();
      const error = await rejection((await task.delay('first')).get({ timeout: '20s' }));
      assert.equal((error as TaskFailedError).errorName, 'InvalidArgumentsError');
    });

    it('a retry goes on in another queue, under its id, from lane to lane and back', async (t) => {
      const { app, worker, twin } = ground.app(t);
      app.errors.register(Flaky);
      const seen: unknown[] = [];
      const task = app.task('wanders', { maxRetries: 5, rateLimit: '1000/s' }, async function (n: number) {
        const { id, queue, retries, deliveries } = this.request;
        seen.push([id, queue, retries, deliveries]);
        const next = ['far', 'farther', 'celeriac'][retries];
        if (next !== undefined)
          this.retry({ countdown: 1, queue: next, error: new Flaky(next), args: [n + 1] });
        return n;
      });
      await worker();
      const sent = await task.delay(0);
      const elsewhere = twin().result(sent.id);
      await until(async () => (await sent.status) === 'RETRY', 'RETRY');
      const { error, queue, retries } = await elsewhere.snapshot();
      assert.deepEqual([error?.message, error instanceof Flaky, queue, retries], ['far', false, 'far', 1]);
      await worker({ queues: ['far', 'farther'], name: 'second' });
      assert.deepEqual([await sent.get({ timeout: '20s' }), await elsewhere.get({ timeout: '20s' })], [3, 3]);
      assert.deepEqual(seen, [
        [sent.id, 'celeriac', 0, 1],
        [sent.id, 'far', 1, 2],
        [sent.id, 'farther', 2, 3],
        [sent.id, 'celeriac', 3, 4],
      ]);
      const last = await elsewhere.snapshot();
      assert.deepEqual([last.state, last.retries, last.deliveries, last.args], ['SUCCESS', 3, 4, [3]]);
    });

    it('a part of a workflow may, and hands on its value from there', async (t) => {
      const { app, worker } = ground.app(t);
      const add = app.task('add', async (a: number, b: number) => a + b);
      const moved = app.task('moved', { maxRetries: 2 }, async function (a: number, b: number) {
        if (this.request.retries === 0) this.retry({ countdown: 1, queue: 'far' });
        if (this.request.retries === 1) this.retry({ countdown: 1, args: [a * 10, b] });
        return a + b;
      });
      await worker({ queues: ['celeriac', 'far'] });
      const whole = await chain(add.s(1, 2), moved.s(4), add.s(100)).delay();
      assert.equal(await whole.get({ timeout: '20s' }), 134);
    });

    it('Reject with requeue puts the task back, and counts no attempt', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const seen: unknown[] = [];
      const task = app.task('picky', { maxRetries: 0, concurrency: { limit: 1 } }, async function () {
        seen.push([this.request.retries, this.request.deliveries]);
        if (seen.length < 3) throw new Reject('not me', { requeue: true });
        return 'taken';
      });
      await worker();
      const sent = await task.delay();
      assert.equal(await sent.get({ timeout: '20s' }), 'taken');
      assert.deepEqual(seen, [
        [0, 1],
        [0, 2],
        [0, 3],
      ]);
      const put = lines.filter(({ message }) => message === 'task put back');
      assert.deepEqual(
        put.map(({ fields }) => fields.reason),
        ['not me', 'not me'],
      );
      assert.equal((await sent.snapshot()).retries, 0);
    });

    it('Reject fails the task without a retry, with the reason as the error', async (t) => {
      const { app, worker } = ground.app(t);
      const runs = new Counter();
      const reason = new RangeError('no use');
      const task = app.task('rejects', { autoretryFor: true, defaultRetryDelay: 1 }, (withError: boolean) => {
        runs.add();
        throw new Reject(withError ? reason : 'a text');
      });
      await worker();
      const error = await rejection((await task.delay(true)).get({ timeout: '20s' }));
      assert(error.cause instanceof RangeError);
      const text = await rejection((await task.delay(false)).get({ timeout: '20s' }));
      assert(text.cause instanceof Reject);
      assert.equal(text.cause.message, 'a text');
      assert.equal(runs.count, 2);
    });

    it('Ignore ends the task and stores no state; who waits gets undefined', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const runs = new Counter();
      const task = app.task('ignores', { autoretryFor: true }, () => {
        runs.add();
        throw new Ignore();
      });
      const sent = await task.delay();
      const [watched, also] = [gate(), gate()];
      const wait = { timeout: '20s', onUpdate: () => watched.open() };
      const [own, elsewhere] = [
        sent.get(wait),
        twin()
          .result(sent.id)
          .get({ timeout: '20s', onUpdate: () => also.open() }),
      ];
      await Promise.all([watched.opened, also.opened]);
      await worker();
      assert.equal(await own, undefined);
      assert.equal(await elsewhere, undefined);
      assert.equal(runs.count, 1);
      assert.equal(await sent.ready(), false);
      assert.equal(await sent.exists(), false);
    });

    it('retry() lets no cleanup turn it into something else: finally runs, catch may rethrow', async (t) => {
      const { app, worker } = ground.app(t);
      const cleaned = new Counter();
      const task = app.task('cleans', async () => {
        const task = currentTask();
        if (task === undefined || task.request.retries > 0) return 'ok';
        try {
          return task.retry({ countdown: 1 });
        } catch (error) {
          assert(error instanceof Error);
          throw error;
        } finally {
          cleaned.add();
        }
      });
      await worker();
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'ok');
      assert.equal(cleaned.count, 1);
    });
  });
});
