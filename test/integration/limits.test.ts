import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError, SoftTimeLimitExceeded, TimeLimitExceeded } from 'celeriac';
import { gate, onEveryEngine, pause, rejection, until, within } from '../support/app.js';

describe('Time limits', () => {
  onEveryEngine((ground) => {
    it('soft: the signal aborts with SoftTimeLimitExceeded, and a task that stops for it fails with that', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('stops', { softTimeLimit: 30 }, async function () {
        await new Promise((_, reject) =>
          this.signal.addEventListener('abort', () => reject(this.signal.reason)),
        );
      });
      await worker();
      const error = await rejection((await task.delay()).get({ timeout: '20s' }));
      assert(error.cause instanceof SoftTimeLimitExceeded);
      assert.match(error.cause.message, /stops .* 30 ms/);
    });

    it('soft: the next updateState throws it; the task may catch it, clean up and return', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('cleans', { softTimeLimit: 30 }, async function () {
        try {
          for (;;) {
            await this.updateState('PROGRESS', 'working');
            await pause(5);
          }
        } catch (error) {
          assert(error instanceof SoftTimeLimitExceeded);
          return 'partial result';
        }
      });
      await worker();
      const sent = await task.delay();
      assert.equal(await sent.get({ timeout: '20s' }), 'partial result');
      assert.equal(await sent.status, 'SUCCESS');
    });

    it('soft: an ordinary error for autoretryFor', async (t) => {
      const { app, worker } = ground.app(t);
      const options = { softTimeLimit: 30, autoretryFor: [SoftTimeLimitExceeded], defaultRetryDelay: 1 };
      const task = app.task('again', options, async function () {
        if (this.request.retries > 0) return 'second';
        await new Promise((_, reject) =>
          this.signal.addEventListener('abort', () => reject(this.signal.reason)),
        );
        return 'first';
      });
      await worker();
      assert.equal(await (await task.delay()).get({ timeout: '20s' }), 'second');
    });

    it('hard: FAILURE TimeLimitExceeded, and the slot is free while the old body still runs', async (t) => {
      const { app, worker } = ground.app(t);
      const [late, told] = [gate(), gate<unknown>()];
      const stuck = app.task('stuck', { timeLimit: 40, autoretryFor: true }, async function () {
        this.signal.addEventListener('abort', () => told.open(this.signal.reason));
        await late.opened;
        return 'too late';
      });
      const next = app.task('next', () => 'ran');
      const { node } = await worker({ concurrency: 1 });
      const sent = await stuck.delay();
      const error = await rejection(sent.get({ timeout: '20s' }));
      assert(error.cause instanceof TimeLimitExceeded);
      assert.match(error.cause.message, /stuck .* 40 ms/);
      assert((await told.opened) instanceof TimeLimitExceeded, 'its signal says why');
      assert.equal(await (await next.delay()).get({ timeout: '20s' }), 'ran');
      const active = (await app.inspect({ destination: [node] }).active())[node];
      assert.deepEqual(active, []);
      late.open();
      assert.equal((await sent.snapshot()).state, 'FAILURE');
    });

    it('hard: what the body still says and returns after its end changes nothing', async (t) => {
      const { app, worker } = ground.app(t);
      const late = gate();
      const over = gate();
      const task = app.task('ghost', { timeLimit: 40 }, async function () {
        await this.updateState('PROGRESS', { n: 1 });
        await late.opened;
        await this.updateState('PROGRESS', { n: 2 });
        over.open();
        return 'too late';
      });
      await worker();
      const sent = await task.delay();
      await rejection(sent.get({ timeout: '20s' }));
      late.open();
      await over.opened;
      const { state, meta, value } = await sent.snapshot();
      assert.deepEqual({ state, meta, value }, { state: 'FAILURE', meta: { n: 1 }, value: undefined });
    });

    it('hard: counts for autoretryFor, in the retries that the task has', async (t) => {
      const { app, worker } = ground.app(t);
      const never = new Promise(() => undefined);
      const options = {
        timeLimit: 30,
        defaultRetryDelay: 1,
        maxRetries: 2,
        autoretryFor: [TimeLimitExceeded],
      };
      const slow = app.task('slow', options, async function (runs: number) {
        if (this.request.retries < runs) await never;
        return this.request.retries;
      });
      await worker();
      assert.equal(await (await slow.delay(2)).get({ timeout: '20s' }), 2);
      const sent = await slow.delay(3);
      const error = await rejection(sent.get({ timeout: '20s' }));
      assert(error.cause instanceof TimeLimitExceeded);
      assert.equal((await sent.snapshot()).retries, 2);
    });

    it('hard: is logged once, and not again at the late end', async (t) => {
      const { app, worker, lines } = ground.app(t);
      const late = gate();
      const task = app.task('once', { timeLimit: 40 }, async () => {
        await late.opened;
        throw new Error('late');
      });
      await worker();
      const sent = await task.delay();
      await rejection(sent.get({ timeout: '20s' }));
      late.open();
      await (await app.task('flush', () => 1).delay()).get({ timeout: '20s' });
      assert.equal(lines.filter(({ fields }) => fields.taskId === sent.id).length, 1);
    });

    it('of the call win over those of the task', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('mine', { timeLimit: '1h', softTimeLimit: '30m' }, async function () {
        await new Promise((_, reject) =>
          this.signal.addEventListener('abort', () => reject(this.signal.reason)),
        );
      });
      await worker();
      const soft = await rejection(
        (await task.applyAsync([], { softTimeLimit: 20 })).get({ timeout: '20s' }),
      );
      assert(soft.cause instanceof SoftTimeLimitExceeded);
      const hard = await task.applyAsync([], { timeLimit: 20, softTimeLimit: 20 });
      const error = await rejection(hard.get({ timeout: '20s' }));
      assert(error.cause instanceof TimeLimitExceeded || error.cause instanceof SoftTimeLimitExceeded);
    });

    it('of the worker hold for tasks without any, and give way to those of task and call', async (t) => {
      const { app, worker } = ground.app(t);
      const bare = app.task('bare', async function () {
        await new Promise((_, reject) =>
          this.signal.addEventListener('abort', () => reject(this.signal.reason)),
        );
      });
      const own = app.task('own', { softTimeLimit: '1h', timeLimit: '2h' }, function () {
        return [this.request.softTimeLimit, this.request.timeLimit];
      });
      await worker({ softTimeLimit: 20, timeLimit: '1h' });
      const error = await rejection((await bare.delay()).get({ timeout: '20s' }));
      assert(error.cause instanceof SoftTimeLimitExceeded);
      assert.deepEqual(await (await own.delay()).get({ timeout: '20s' }), [3_600_000, 7_200_000]);
      assert.throws(() => app.worker({ softTimeLimit: 2, timeLimit: 1 }), OptionError);
    });

    it('do not outlive a task that ended in time', async (t) => {
      const { app, worker } = ground.app(t);
      let aborted = 0;
      const task = app.task('quick', { softTimeLimit: 30, timeLimit: 40 }, function () {
        this.signal.addEventListener('abort', () => aborted++);
        return 'in time';
      });
      const slow = app.task('slow', () => pause(80));
      await worker();
      const sent = await task.delay();
      await (await slow.delay()).get({ timeout: '20s' });
      assert.equal(await sent.get({ timeout: '20s' }), 'in time');
      assert.equal(aborted, 0);
      assert.equal(await sent.status, 'SUCCESS');
    });
  });
});

describe('Stopping a worker', () => {
  onEveryEngine((ground) => {
    it('lets running tasks finish, tells them, and takes no new ones', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const [started, finish] = [gate(), gate()];
      const task = app.task('work', async function () {
        started.open();
        await until(() => this.request.shuttingDown, 'the word that the worker stops');
        await finish.opened;
        return 'finished';
      });
      const first = await worker({ concurrency: 1 });
      const running = await task.delay();
      await started.opened;
      const stopped = first.stop({ timeout: '20s' });
      const waiting = await task.delay();
      finish.open();
      await stopped;
      assert.equal(await twin().result(running.id).get({ timeout: '20s' }), 'finished');
      assert.equal(await waiting.status, 'PENDING');
      assert.equal((await waiting.snapshot()).deliveries, 0);
    });

    it('hands back at the deadline what still runs, at no cost in retries or deliveries, however often', async (t) => {
      const { app, worker } = ground.app(t);
      const [aborted, finish] = [gate<unknown>(), gate()];
      const runs: number[] = [];
      const task = app.task('long', { maxRetries: 0, maxDeliveries: 1 }, async function () {
        runs.push(this.request.retries);
        this.signal.addEventListener('abort', () => aborted.open(this.signal.reason));
        await Promise.race([
          finish.opened,
          new Promise((resolve) => this.signal.addEventListener('abort', resolve)),
        ]);
        return 'done';
      });
      const sent = await task.delay();
      for (let i = 1; i <= 4; i++) {
        const stopping = await worker({ name: `w${i}` });
        await until(() => runs.length === i, 'the start');
        await stopping.stop({ timeout: 0 });
      }
      assert.match(String(await aborted.opened), /worker stops/);
      assert.equal(await sent.status, 'PENDING');
      finish.open();
      await worker({ name: 'last' });
      assert.equal(await sent.get({ timeout: '20s' }), 'done');
      assert.deepEqual(runs, [0, 0, 0, 0, 0]);
      assert.equal((await sent.snapshot()).retries, 0);
    });

    it('never hands back a task with acksLate: false', async (t) => {
      const { app, worker, twin } = ground.app(t);
      const [started, finish] = [gate(), gate()];
      let runs = 0;
      const task = app.task('at-most-once', { acksLate: false }, async () => {
        runs++;
        started.open();
        await finish.opened;
        return 'end';
      });
      const first = await worker();
      const sent = await task.delay();
      await started.opened;
      const stopped = first.stop({ timeout: 50 });
      finish.open();
      await stopped;
      const other = twin();
      other.task('at-most-once', { acksLate: false }, () => {
        runs++;
        return 'again';
      });
      await other.worker({ concurrency: 1 }).start();
      assert.equal(await sent.get({ timeout: '20s' }), 'end');
      assert.equal(runs, 1);
    });

    it('may be done twice, before the start, and by closing the app', async (t) => {
      const { app, worker } = ground.app(t);
      const one = await worker();
      await within(Promise.all([one.stop(), one.stop(), one.stop({ timeout: 1 })]), 'both stops');
      await one.stop();
      const never = app.worker();
      await never.stop();
      await assert.rejects(never.start());
      await assert.rejects(one.start(), /stopped/);
      const last = await worker({ name: 'last' });
      await app.close();
      assert.equal(last.stopping, true);
      assert.throws(() => app.worker(), { code: 'APP_CLOSED' });
    });
  });
});
