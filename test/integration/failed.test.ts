/**
 * The tasks that failed: finding them, running them again as if they were new, and dropping their records.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DuplicateTaskError } from 'celeriac';
import { Counter, onEveryEngine, rejection, until } from '../support/app.js';

const PATIENCE = { timeout: '30s' } as const;

describe('Failed tasks', () => {
  onEveryEngine((ground) => {
    it('are listed newest first, by queue and by name, page by page; revoked ones are not among them', async (t) => {
      const { app, twin, worker } = ground.app(t);
      const broken = app.task('broken', (n: number) => {
        throw new RangeError(`no ${n}`);
      });
      const laned = app.task('laned', { queue: 'mail', concurrency: { limit: 1 } }, (n: number) => {
        throw new TypeError(`nor ${n}`);
      });
      const fine = app.task('fine', () => 1);
      await worker({ queues: ['celeriac', 'mail'], concurrency: 1 });
      const ids: string[] = [];
      for (let n = 0; n < 5; n++) {
        const result = await (n === 2 ? laned : broken).applyAsync(
          [n],
          n === 4 ? { taskId: 'of my own' } : {},
        );
        await rejection(result.get(PATIENCE));
        ids.unshift(result.id);
      }
      const unwanted = await fine.applyAsync([], { countdown: '1h' });
      await unwanted.revoke();
      await until(async () => (await unwanted.snapshot()).doneAt !== undefined, 'the end of the revoked one');
      await (await fine.delay()).get(PATIENCE);
      const { failed } = twin();
      const all = await failed.list();
      assert.deepEqual(
        all.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(
        all.map(({ name, queue, state, args }) => [name, queue, state, args]),
        [
          ['broken', 'celeriac', 'FAILURE', [4]],
          ['broken', 'celeriac', 'FAILURE', [3]],
          ['laned', 'mail', 'FAILURE', [2]],
          ['broken', 'celeriac', 'FAILURE', [1]],
          ['broken', 'celeriac', 'FAILURE', [0]],
        ],
      );
      assert.match(all[0]?.error?.message ?? '', /no 4/);
      const idsOf = async (options: object) => (await failed.list(options)).map(({ id }) => id);
      assert.deepEqual(await idsOf({ queue: 'mail' }), [ids[2]]);
      assert.deepEqual(await idsOf({ task: 'laned' }), [ids[2]]);
      assert.deepEqual(await idsOf({ task: 'fine' }), []);
      assert.deepEqual(await idsOf({ limit: 2 }), ids.slice(0, 2));
      assert.deepEqual(await idsOf({ limit: 2, after: ids[1] }), ids.slice(2, 4));
      assert.deepEqual(await idsOf({ limit: 2, after: ids[3] }), ids.slice(4));
      assert.match((await rejection(idsOf({ after: 'nobody' }))).message, /"nobody"/);
      assert.match((await rejection(idsOf({ tsak: 'x' }))).message, /task/);
      assert.equal((await failed.get('of my own'))?.name, 'broken');
      assert.equal(await failed.get(unwanted.id), undefined);
    });

    it('run again under their ids as if they were new', async (t) => {
      const { app, twin, worker } = ground.app(t);
      let works = false;
      const seen: [number, number][] = [];
      const flaky = app.task(
        'flaky',
        { autoretryFor: true, maxRetries: 2, defaultRetryDelay: 1, unique: { mode: 'reject' } },
        function (_n: number) {
          seen.push([this.request.retries, this.request.deliveries]);
          if (!works) throw new Error('not yet');
          return 'at last';
        },
      );
      await worker();
      const result = await flaky.applyAsync([1], { taskId: 'mine', expires: '1h', headers: { tenant: 7 } });
      await rejection(result.get(PATIENCE));
      works = true;
      assert.deepEqual(await twin().failed.retry(result.id), { done: ['mine'], refused: {} });
      assert.equal(await result.get(PATIENCE), 'at last');
      assert.deepEqual(seen, [
        [0, 1],
        [1, 2],
        [2, 3],
        [0, 1],
      ]);
      const { headers, retries } = await result.snapshot();
      assert.deepEqual([headers, retries], [{ tenant: 7 }, 0]);
      const refused = await app.failed.retry(['mine', 'never sent']);
      assert.deepEqual(refused, {
        done: [],
        refused: {
          mine: 'no failed task of this id is kept',
          'never sent': 'no failed task of this id is kept',
        },
      });
      assert.ok((await rejection(flaky.applyAsync([2], { taskId: 'mine' }))) instanceof DuplicateTaskError);
    });

    it('are not run again beside a newer task with their unique key', async (t) => {
      const { app, worker } = ground.app(t);
      const once = app.task('once', { unique: { mode: 'reject' } }, () => {
        throw new Error('broken');
      });
      const running = await worker();
      const first = await once.delay();
      await rejection(first.get(PATIENCE));
      await running.stop();
      const second = await once.delay();
      const { done, refused } = await app.failed.retry({});
      assert.deepEqual(done, []);
      assert.match(refused[first.id] ?? '', new RegExp(`"${second.id}" holds its unique key`));
      assert.equal(await first.status, 'FAILURE');
    });

    it('run again in their lane, and all of them at once', async (t) => {
      const { app, worker } = ground.app(t);
      let works = false;
      const ended = new Counter();
      const laned = app.task('laned', { rateLimit: '1000/s' }, (n: number) => {
        ended.add();
        if (!works) throw new Error('not yet');
        return n;
      });
      const other = app.task('other', () => {
        throw new Error('stays broken');
      });
      await worker();
      const stays = await other.delay();
      const results = await app.publish(Array.from({ length: 120 }, (_, n) => laned.s(n)));
      await Promise.all([stays, ...results].map((result) => rejection(result.get(PATIENCE))));
      works = true;
      const { done, refused } = await app.failed.retry({ task: 'laned' });
      assert.deepEqual([done.length, refused], [120, {}]);
      const values = await Promise.all(results.map((result) => result.get(PATIENCE)));
      assert.deepEqual(
        values,
        results.map((_, n) => n),
      );
      assert.equal(await stays.status, 'FAILURE');
      assert.equal(ended.count, 240);
    });

    it('are gone when deleted, one or all, and give their ids back', async (t) => {
      const { app, worker } = ground.app(t);
      const broken = app.task('broken', (_n: number) => {
        throw new Error('broken');
      });
      await worker();
      const results = await Promise.all(
        [1, 2, 3].map((n) => broken.applyAsync([n], n === 1 ? { taskId: 'mine' } : {})),
      );
      await Promise.all(results.map((result) => rejection(result.get(PATIENCE))));
      assert.deepEqual(await app.failed.delete('mine'), { done: ['mine'], refused: {} });
      assert.equal(await app.result('mine').exists(), false);
      assert.equal((await app.failed.list()).length, 2);
      assert.equal((await app.failed.delete({ queue: 'celeriac' })).done.length, 2);
      assert.deepEqual(await app.failed.list(), []);
      assert.equal((await app.queues.get('celeriac')).failed, 0);
      await until(
        () =>
          broken.applyAsync([4], { taskId: 'mine' }).then(
            () => true,
            () => false,
          ),
        'the id to be free again',
      );
    });
  });
});
