/**
 * Revoking, forgetting and expiring: what becomes of tasks that nobody wants any more.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskRevokedError, UnknownTaskError } from 'celeriac';
import { Counter, gate, onEveryEngine, rejection, until, within } from '../support/app.js';

const PATIENCE = { timeout: '30s' } as const;

describe('Revoking', () => {
  onEveryEngine((ground) => {
    it('reads as REVOKED at once and wakes waiters elsewhere while no worker is up, and is never run', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const ran = new Counter();
      const task = app.task('unwanted', () => ran.add());
      const marker = app.task('marker', () => 'done');
      const queued = await task.delay();
      const delayed = await task.applyAsync([], { countdown: '1h' });
      const other = twin();
      const waiting = [queued, delayed].map(({ id }) => rejection(other.result(id).get(PATIENCE)));
      assert.deepEqual(await other.result(queued.id).revoke({ reason: 'changed my mind' }), {
        found: true,
        was: 'PENDING',
      });
      assert.deepEqual(await delayed.revoke(), { found: true, was: 'PENDING' });
      assert.deepEqual(await Promise.all([queued.status, delayed.status]), ['REVOKED', 'REVOKED']);
      const [first, second] = await Promise.all(waiting);
      assert.ok(first instanceof TaskRevokedError && second instanceof TaskRevokedError);
      assert.equal(first.reason, 'changed my mind');
      await worker();
      assert.equal(await (await marker.delay()).get(PATIENCE), 'done');
      await until(async () => (await delayed.snapshot()).doneAt !== undefined, 'the end of the delayed one');
      assert.equal(ran.count, 0);
      assert.equal(((await rejection(queued.get())) as TaskRevokedError).reason, 'changed my mind');
    });

    it('never reads as anything but REVOKED afterwards, workers or not', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('later', () => 'ran');
      await worker();
      for (let n = 0; n < 20; n++) {
        const result = await task.applyAsync([], { countdown: '1h' });
        await result.revoke();
        assert.equal(await result.status, 'REVOKED');
        await until(async () => (await result.snapshot()).doneAt !== undefined, 'its end');
        assert.equal(await result.status, 'REVOKED');
      }
    });

    it('ends a running task with terminate: signal, state and slot, from another app', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const aborted = gate<unknown>();
      const never = gate();
      const stubborn = app.task('stubborn', async function () {
        this.signal.addEventListener('abort', () => aborted.open(this.signal.reason));
        await this.updateState('WORKING');
        await never.opened;
        return 'too late';
      });
      const next = app.task('next', () => 'ran');
      await worker({ concurrency: 1 });
      const running = await stubborn.delay();
      await until(async () => (await running.status) === 'WORKING', 'the task to run');
      const reply = await twin().result(running.id).revoke({ terminate: true, reason: 'enough' });
      assert.deepEqual(reply, { found: true, was: 'WORKING' });
      assert.ok((await rejection(running.get(PATIENCE))) instanceof TaskRevokedError);
      assert.match(String(await within(aborted.opened, 'the abort')), /enough/);
      assert.equal(await (await next.delay()).get(PATIENCE), 'ran');
      assert.deepEqual(Object.values(await app.inspect().revoked()), [[running.id]]);
      never.open();
      assert.equal(await running.status, 'REVOKED');
    });

    it('lets a running task keep its outcome without terminate, but not another attempt', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const started = new Counter();
      const finishing = app.task('finishing', async () => {
        started.add();
        await open.opened;
        return 'finished';
      });
      const failing = app.task('failing', { autoretryFor: true, defaultRetryDelay: 1 }, async () => {
        started.add();
        await open.opened;
        throw new Error('once more');
      });
      await worker();
      const [one, two] = [await finishing.delay(), await failing.delay()];
      await started.reached(2);
      assert.deepEqual(await one.revoke(), { found: true, was: 'STARTED' });
      assert.deepEqual(await two.revoke(), { found: true, was: 'STARTED' });
      assert.equal(await one.status, 'STARTED');
      open.open();
      assert.equal(await one.get(PATIENCE), 'finished');
      assert.ok((await rejection(two.get(PATIENCE))) instanceof TaskRevokedError);
      assert.equal(started.count, 2);
    });

    it('says what it found: nothing, or a task that had ended', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('quick', () => 1);
      assert.deepEqual(await app.result('no such id').revoke(), { found: false, was: undefined });
      await worker();
      const result = await task.delay();
      await result.get(PATIENCE);
      assert.deepEqual(await result.revoke({ terminate: true }), { found: true, was: 'SUCCESS' });
      assert.equal(await result.get(), 1);
    });

    it('takes many ids through control, which answers for the workers asked', async (t) => {
      const { app, worker } = ground.app(t);
      const open = gate();
      const hold = app.task('hold', () => open.opened);
      const { node } = await worker({ concurrency: 1 });
      const running = await hold.delay();
      await until(async () => (await running.status) === 'STARTED', 'the first to run');
      const queued = await hold.applyAsync([], { taskId: 'mine' });
      const replies = await app.control.revoke([running.id, 'mine'], {
        terminate: true,
        reason: 'all of it',
      });
      assert.deepEqual(replies, { [node]: { ok: 'ended 1 running tasks' } });
      for (const result of [running, queued]) {
        assert.ok((await rejection(result.get(PATIENCE))) instanceof TaskRevokedError);
      }
      open.open();
    });
  });
});

describe('Forgetting and expiring', () => {
  onEveryEngine((ground) => {
    it('forget drops an ended record, and keeps none of a task that has not ended', async (t) => {
      const { app, worker } = ground.app(t);
      const task = app.task('answer', () => 42);
      const later = await task.delay();
      await later.forget();
      await worker();
      const ended = await task.applyAsync([], { taskId: 'mine' });
      assert.equal(await ended.get(PATIENCE), 42);
      await until(async () => !(await later.exists()), 'the forgotten one to be gone');
      await ended.forget();
      assert.equal(await ended.exists(), false);
      assert.ok((await rejection(app.result('mine').get())) instanceof UnknownTaskError);
      assert.equal(
        await (await task.applyAsync([], { taskId: 'mine' })).get(PATIENCE),
        42,
        'the id is free again',
      );
    });

    it('results and failures go after their time although nothing else finishes', async (t) => {
      const { app, worker } = ground.app(t, { resultExpires: '1s', failureExpires: '1s' });
      const good = await app.task('good', () => 1).delay();
      const bad = await app.task('bad', () => Promise.reject(new Error('bad'))).delay();
      await worker();
      assert.equal(await good.get(PATIENCE), 1);
      await rejection(bad.get(PATIENCE));
      await until(async () => !(await good.exists()) && !(await bad.exists()), 'their end', 30_000);
    });
  });
});
