/** What the page's API shows, against real brokers and workers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chain, group } from 'celeriac';
import { web } from 'celeriac/web';
import type {
  ChunkList,
  FailedList,
  Overview,
  QueueList,
  Run,
  RunDetail,
  RunList,
  ScheduleList,
  TaskList,
  WorkerList,
} from '#src/web/api.js';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';
import { read } from '../support/web.js';

const PATIENCE = { timeout: '30s' } as const;
const names = (list: RunList) => list.runs.map(({ name }) => name);

describe('The API of the page', () => {
  onEveryEngine(
    (ground) => {
      it('lists tasks in every state, the latest first, with what is known of each', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const open = gate();
        const started = new Counter();
        const add = app.task('add', (a: number, b: number) => a + b);
        const broken = app.task('broken', { maxRetries: 0 }, (_what: string) => {
          throw new RangeError('out of paper');
        });
        const slow = app.task('slow', { queue: 'mail' }, async function () {
          await this.updateState('PRINTING', { page: 3 });
          started.add();
          await open.opened;
        });
        const running = await worker({ queues: ['celeriac', 'mail'], name: 'printer@here' });
        const fine = await add.delay(1, 2);
        await fine.get(PATIENCE);
        const bad = await broken.delay('<b>"ä"</b>');
        await rejection(bad.get(PATIENCE));
        const held = await slow.delay();
        await started.reached(1);
        const later = await add.applyAsync([3, 4], { countdown: '1h', priority: 5 });
        const gone = await add.applyAsync([5, 6], { countdown: '1h' });
        await gone.revoke({ reason: 'not needed' });
        await until(async () => (await app.result(gone.id).snapshot()).doneAt !== undefined, 'its end');

        const all = await read<RunList>(page, 'runs');
        assert.equal(all.complete, true);
        assert.equal(all.next, null);
        const byId = new Map(all.runs.map((run) => [run.id, run]));
        assert.deepEqual(new Set(byId.keys()), new Set([fine, bad, held, later, gone].map(({ id }) => id)));
        const shown = (id: string) => byId.get(id) ?? assert.fail(id);

        const done = shown(fine.id);
        assert.equal(done.state, 'SUCCESS');
        assert.equal(done.args, '1, 2');
        assert.equal(done.worker, 'printer@here');
        assert.equal(done.deliveries, 1);
        assert(done.runtime !== null && done.wait !== null && done.doneAt !== null);
        const failed = shown(bad.id);
        assert.deepEqual(
          [failed.state, failed.error],
          ['FAILURE', { name: 'RangeError', message: 'out of paper' }],
        );
        assert.equal(failed.args, '"<b>\\"ä\\"</b>"');
        const now = shown(held.id);
        assert.deepEqual(
          [now.state, now.meta, now.queue, now.doneAt],
          ['PRINTING', { page: 3 }, 'mail', null],
        );
        const due = shown(later.id);
        assert.deepEqual([due.state, due.priority, due.worker], ['PENDING', 5, null]);
        assert(due.eta !== null && Date.parse(due.eta) > Date.now() + 3_000_000);
        assert.equal(shown(gone.id).state, 'REVOKED');
        assert.equal(shown(gone.id).error?.message, 'not needed');

        const of = async (query: string) =>
          new Set((await read<RunList>(page, `runs?${query}`)).runs.map(({ id }) => id));
        assert.deepEqual(await of('state=SUCCESS'), new Set([fine.id]));
        assert.deepEqual(await of('state=FAILURE,PENDING'), new Set([bad.id, later.id]));
        assert.deepEqual(await of('state=FAILURE&state=PRINTING'), new Set([bad.id, held.id]));
        assert.deepEqual(await of('state=REVOKED'), new Set([gone.id]));
        assert.deepEqual(await of('name=bro*'), new Set([bad.id]));
        assert.deepEqual(await of('queue=mail'), new Set([held.id]));
        assert.deepEqual(await of('worker=printer@here&state=STARTED,SUCCESS'), new Set([fine.id]));
        assert.deepEqual(await of('text=%22%C3%84'), new Set([bad.id]));
        assert.deepEqual(await of(`id=${encodeURIComponent(held.id)}`), new Set([held.id]));
        assert.deepEqual(await of(`before=${new Date(0).toISOString()}`), new Set());
        const ended = await read<RunList>(page, 'runs?state=SUCCESS,FAILURE&sort=oldest');
        assert.deepEqual(names(ended), ['add', 'broken']);

        const overview = await read<Overview>(page, 'overview');
        assert.equal(overview.app, 'test');
        assert.equal(overview.workers.online, 1);
        assert.deepEqual([overview.workers.busy, overview.workers.slots], [1, 10]);
        assert.deepEqual(
          overview.failures.map(({ id }) => id),
          [bad.id],
        );
        assert.deepEqual(
          [overview.queues.active, overview.queues.finished, overview.queues.count],
          [1, 1, 2],
        );

        const { workers } = await read<WorkerList>(page, 'workers');
        const [one] = workers;
        assert.equal(workers.length, 1);
        assert.deepEqual(
          [one?.node, one?.online, one?.pool, one?.host],
          ['printer@here', true, 'async', 'here'],
        );
        assert.deepEqual(one?.slots, { size: 10, used: 1, free: 9 });
        assert.deepEqual(
          one?.active.map(({ id, name }: Run) => [id, name]),
          [[held.id, 'slow']],
        );
        const { queues } = await read<QueueList>(page, 'queues');
        const mail = queues.find(({ name }) => name === 'mail');
        assert.deepEqual([mail?.active, mail?.workers, mail?.paused], [1, ['printer@here'], false]);
        const { tasks } = await read<TaskList>(page, 'tasks');
        assert.deepEqual(
          tasks.map(({ name }) => name),
          ['add', 'broken', 'slow'],
        );
        assert.deepEqual(tasks[0]?.nodes, ['printer@here']);
        const { groups } = await read<FailedList>(page, 'failed');
        assert.deepEqual(
          groups.map(({ task, error, count, ids }) => [task, error, count, ids]),
          [['broken', 'RangeError', 1, [bad.id]]],
        );
        open.open();
        await held.get(PATIENCE);
        await running.stop();
      });

      it('turns the pages of many tasks in many queues, each of them once', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const noted = app.task('noted', (_n: number) => undefined);
        const queues = ['a', 'b', 'c'];
        const waiting: string[] = [];
        const ended: string[] = [];
        for (let n = 0; n < 60; n++)
          ended.push((await noted.applyAsync([n], { queue: queues[n % 3] ?? 'a' })).id);
        const running = await worker({ queues });
        await until(
          async () => (await app.queues.list()).reduce((sum, q) => sum + q.finished, 0) === 60,
          'all ends',
        );
        await running.stop();
        for (let n = 0; n < 30; n++)
          waiting.push((await noted.applyAsync([n], { queue: queues[n % 3] ?? 'a', priority: n % 2 })).id);
        for (const sort of ['newest', 'oldest']) {
          const seen: string[] = [];
          let cursor: string | null = '';
          for (let pages = 0; cursor !== null; pages++) {
            assert(pages < 30);
            const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
            const list: RunList = await read(page, `runs?limit=7&sort=${sort}${more}`);
            assert(list.runs.length <= 7);
            seen.push(...list.runs.map(({ id }) => id));
            cursor = list.next;
          }
          assert.equal(seen.length, 90, sort);
          assert.deepEqual(new Set(seen), new Set([...ended, ...waiting]));
          const ends = await read<RunList>(page, `runs?state=SUCCESS&limit=60&sort=${sort}`);
          const times = ends.runs.map(
            ({ doneAt }) => Date.parse(doneAt ?? '') * (sort === 'newest' ? -1 : 1),
          );
          assert.deepEqual(
            times,
            [...times].sort((a, b) => a - b),
          );
        }
        await read(page, 'runs?cursor=abc', 400);
        await read(page, 'runs?limit=1000', 400);
        await read(page, 'runs?sort=up', 400);
        await read(page, 'runs?after=yesterday', 400);
      });

      it('shows one task with its attempts, steps, chunks, and workflow', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const flaky = app.task(
          'flaky',
          { maxRetries: 2, autoretryFor: true, defaultRetryDelay: 1 },
          function () {
            throw new TypeError(`try ${this.request.retries}`);
          },
        );
        const talks = app.task('talks', async function* () {
          const first = await this.step('ask', () => 'hello');
          yield first;
          yield { to: 'you' };
          return 7;
        });
        const inc = app.task('inc', (n: number) => n + 1);
        const sum = app.task('sum', (ns: number[]) => ns.reduce((a, b) => a + b, 0));
        await worker();
        const [bad, said] = [await flaky.delay(), await talks.delay()];
        const flow = await chain(group(inc.s(1), inc.s(2)), sum.s()).delay();
        await Promise.all([rejection(bad.get(PATIENCE)), said.get(PATIENCE), flow.get(PATIENCE)]);

        const failed = await read<RunDetail>(page, `runs/${encodeURIComponent(bad.id)}`);
        assert.equal(failed.state, 'FAILURE');
        assert.deepEqual(
          failed.attempts.map(({ attempt, error }) => [attempt, error?.name, error?.message]),
          [
            [0, 'TypeError', 'try 0'],
            [1, 'TypeError', 'try 1'],
            [2, 'TypeError', 'try 2'],
          ],
        );
        assert.match(failed.stack ?? '', /TypeError: try 2\n {4}at/);
        assert.deepEqual(
          failed.timeline.map(({ what }) => what),
          ['sent', 'started', 'failed'],
        );

        const path = `runs/${encodeURIComponent(said.id)}`;
        const talked = await read<RunDetail>(page, path);
        assert.deepEqual([talked.value, talked.state], [7, 'SUCCESS']);
        assert.deepEqual(
          talked.steps.map(({ name, kind }) => [name, kind]),
          [['ask', 'step']],
        );
        assert.deepEqual(talked.stream, { attempt: 0, first: 0, next: 2 });
        const { chunks, next } = await read<ChunkList>(page, `${path}/chunks`);
        assert.deepEqual(
          chunks.map(({ value }) => value),
          ['hello', { to: 'you' }],
        );
        assert.equal(next, 2);
        assert.deepEqual((await read<ChunkList>(page, `${path}/chunks?from=1`)).chunks.length, 1);
        assert.deepEqual((await read<ChunkList>(page, `${path}/chunks?from=2`)).chunks, []);

        const last = await read<RunDetail>(page, `runs/${encodeURIComponent(flow.id)}`);
        assert.equal(last.value, 5);
        assert(last.workflowId !== null);
        const members = await read<RunList>(page, 'runs?name=inc');
        assert.equal(members.runs.length, 2);
        const member = await read<RunDetail>(page, `runs/${encodeURIComponent(members.runs[0]?.id ?? '')}`);
        assert.deepEqual(
          member.children.map(({ id, name }) => [id, name]),
          [[flow.id, 'sum']],
        );
        await read(page, 'runs/nobody', 404);
      });

      it('lists schedules with their next ticks', async (t) => {
        const { app } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        const { crontab, every } = await import('celeriac');
        await app.schedules.upsert({ name: 'hourly', schedule: every('1h'), task: 'tidy', args: [1] });
        await app.schedules.upsert({ name: 'nightly', schedule: crontab('0 3 * * *'), task: 'tidy' });
        await app.schedules.pause('hourly');
        const { schedules } = await read<ScheduleList>(page, 'schedules');
        assert.deepEqual(
          schedules.map(({ name, paused, text, source }) => [name, paused, text, source]),
          [
            ['hourly', true, 'every 1h', 'runtime'],
            ['nightly', false, '0 3 * * *', 'runtime'],
          ],
        );
        assert.deepEqual(schedules[0]?.next, []);
        const ticks = schedules[1]?.next.map((at) => at.slice(10, 16)) ?? [];
        assert.deepEqual(ticks, Array(5).fill('T03:00'));
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});
