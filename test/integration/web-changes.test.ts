/** What the page's API changes, seen from outside; and who hears of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppEvent } from 'celeriac';
import { web } from 'celeriac/web';
import type { LimitList, RunDetail, WorkerList } from '#src/web/api.js';
import type { Changed } from '#src/web/changes/run-actions.js';
import type { ScheduleChanged } from '#src/web/changes/schedule-actions.js';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';
import { change, read } from '../support/web.js';

const PATIENCE = { timeout: '30s' } as const;
const at = (id: string) => `runs/${encodeURIComponent(id)}`;

describe('Changes by the API of the page', () => {
  onEveryEngine(
    (ground) => {
      it('calls, revokes, retries, starts and deletes tasks, one or many, and notes each', async (t) => {
        const { app, worker, lines } = ground.app(t);
        const page = web(app, { authorize: () => 'ann' });
        t.after(() => page.close());
        const noted: AppEvent[] = [];
        for (const name of ['call', 'revoke', 'retry', 'delete', 'run-now'] as const)
          app.on(`control-${name}`, (event) => void noted.push(event));
        let broken = true;
        app.task('half', { maxRetries: 0 }, (n: number) => {
          if (broken) throw new RangeError(`cannot halve ${n}`);
          return n / 2;
        });
        const open = gate();
        const begun = new Counter();
        const slow = app.task('slow', async function () {
          begun.add();
          await Promise.race([
            open.opened,
            new Promise((_, reject) =>
              this.signal.addEventListener('abort', () => reject(this.signal.reason)),
            ),
          ]);
        });
        await worker();

        const { id, touched } = await change<{ id: string; touched: number }>(
          page,
          'POST',
          'tasks/half/call',
          {
            args: [4],
          },
        );
        assert.equal(touched, 1);
        await rejection(app.result(id).get(PATIENCE));
        const others = [await app.sendTask('half', [6]), await app.sendTask('half', [8])];
        for (const other of others) await rejection(other.get(PATIENCE));
        broken = false;
        assert.deepEqual(await change<Changed>(page, 'POST', `${at(id)}/retry`, { args: [10] }), {
          touched: 1,
          refused: [],
          complete: true,
        });
        assert.equal(await app.result(id).get(PATIENCE), 5);
        assert.deepEqual((await read<RunDetail>(page, at(id))).argsFull, [10]);
        const again = await change<Changed>(page, 'POST', `${at(id)}/retry`, {});
        assert.equal(again.touched, 0);
        assert.equal(again.refused.length, 1);
        const all = await change<Changed>(page, 'POST', 'runs/retry', {
          filter: { name: 'half', state: ['FAILURE'] },
        });
        assert.equal(all.touched, 2);
        for (const other of others) await other.get(PATIENCE);

        const later = await app.sendTask<number>('half', [2], { countdown: '1h' });
        await change<Changed>(page, 'POST', `${at(later.id)}/run-now`);
        assert.equal(await later.get(PATIENCE), 1);
        const eta = await app.sendTask<number>('half', [4], { eta: new Date(Date.now() + 3_600_000) });
        await change<Changed>(page, 'POST', `${at(eta.id)}/run-now`);
        assert.equal(await eta.get(PATIENCE), 2);

        const [held, waits] = [await slow.delay(), await slow.applyAsync([], { countdown: '1h' })];
        await begun.reached(1);
        const ended = await change<Changed>(page, 'POST', `${at(held.id)}/revoke`, {
          terminate: true,
          reason: 'too slow',
        });
        assert.equal(ended.touched, 1);
        assert.match((await rejection(held.get(PATIENCE))).message, /too slow/);
        const swept = await change<Changed>(page, 'POST', 'runs/revoke', { filter: { name: 'slow' } });
        assert.equal(swept.touched, 1);
        assert.equal(await app.result(waits.id).status, 'REVOKED');
        const over = await change<Changed>(page, 'POST', 'runs/revoke', { ids: [held.id] });
        assert.deepEqual(over.refused, [{ id: held.id, why: 'it has ended: REVOKED' }]);

        await change<Changed>(page, 'DELETE', at(id));
        assert.equal((await app.result(id).snapshot()).known, false);
        const rest = await change<Changed>(page, 'POST', 'runs/delete', { filter: {} });
        assert(rest.touched >= 4, JSON.stringify(rest));
        await change(page, 'POST', `${at('nobody')}/revoke`, {}, 404);
        await change(page, 'POST', `${at('nobody')}/retry`, {}, 404);
        await change(page, 'POST', 'runs/retry', {}, 400);
        await change(page, 'POST', 'runs/retry', { ids: [1] }, 400);
        await change(page, 'POST', 'tasks/half/call', { args: [1], options: { countdown: 'soon' } }, 400);
        await change(page, 'POST', 'tasks/half/call', { arguments: [] }, 400);

        const told = noted.map((event) => [
          event.type,
          'who' in event && event.who,
          'touched' in event && event.touched,
        ]);
        assert.deepEqual(told[0], ['control-call', 'ann', 1]);
        assert(told.some(([type, , touched]) => type === 'control-retry' && touched === 2));
        const logged = lines.filter(({ message }) => message === 'changed by the page');
        assert.equal(logged.length, noted.length);
        assert.equal(logged[0]?.fields['who'], 'ann');
        open.open();
      });

      it('pauses, resumes and purges queues, steers workers, and edits schedules', async (t) => {
        const { app, worker } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        app.task('quick', () => 1);
        const first = await app.sendTask('quick');
        await worker({ name: 'one@here' });
        await first.get(PATIENCE);
        await change(page, 'POST', 'queues/celeriac/pause');
        assert.equal((await app.queues.get('celeriac')).paused, true);
        for (let n = 0; n < 3; n++) await app.sendTask('quick');
        assert.deepEqual(await change(page, 'POST', 'queues/celeriac/purge'), { touched: 3 });
        await change(page, 'POST', 'queues/celeriac/resume');
        assert.equal((await app.queues.get('celeriac')).paused, false);
        await change(page, 'POST', 'queues/nowhere/pause', undefined, 404);

        const grown = await change<{ touched: number; replies: object }>(
          page,
          'POST',
          'workers/one@here/pool-grow',
          { n: 2 },
        );
        assert.deepEqual(grown, { touched: 1, replies: { 'one@here': { ok: 'concurrency is 12 now' } } });
        const { workers } = await read<WorkerList>(page, 'workers');
        assert.equal(workers[0]?.slots?.size, 12);
        await change(page, 'POST', 'workers/one@here/rate-limit', { task: 'quick', rate: '5/m' });
        assert.deepEqual(await read(page, 'limits'), {
          limits: [{ task: 'quick', rate: '5/m', concurrency: null, timeLimit: null, softTimeLimit: null }],
        });
        await change(page, 'POST', 'workers/one@here/time-limit', { task: 'quick', soft: '30s', hard: '' });
        const { limits } = await read<LimitList>(page, 'limits');
        assert.deepEqual(limits.map(Object.values), [['quick', '5/m', null, null, 30_000]]);
        await change(page, 'POST', 'workers/one@here/add-consumer', { queue: 'mail' });
        await change(page, 'POST', 'workers/one@here/cancel-consumer', { queue: 'mail' });
        await change(page, 'POST', 'workers/one@here/autoscale', { min: 1, max: 4 });
        await change(page, 'POST', 'workers/one@here/pool-grow', { n: 0 }, 400);
        await change(page, 'POST', 'workers/one@here/explode', {}, 404);
        await change(page, 'POST', 'workers/two@here/ping', {}, 404);

        const made = await change<ScheduleChanged>(page, 'POST', 'schedules', {
          name: 'tidy/all',
          task: 'quick',
          spec: { kind: 'crontab', crontab: '0 3 * * *', timezone: 'Europe/Rome' },
          args: [],
        });
        assert.equal(made.schedule?.next.length, 5);
        await change(page, 'POST', 'schedules', { name: 'tidy/all', task: 'quick', spec: 'every 5m' }, 409);
        const path = `schedules/${encodeURIComponent('tidy/all')}`;
        const put = await change<ScheduleChanged>(page, 'PUT', path, {
          task: 'quick',
          spec: { kind: 'every', every: '5m' },
        });
        assert.equal(put.schedule?.text, 'every 5m');
        const paused = await change<ScheduleChanged>(page, 'POST', `${path}/pause`);
        assert.equal(paused.schedule?.paused, true);
        await change(page, 'POST', `${path}/resume`);
        const ran = await change<ScheduleChanged>(page, 'POST', `${path}/run-now`);
        assert(await app.result(ran.id ?? '').exists());
        await change(page, 'DELETE', path);
        assert.equal(await app.schedules.get('tidy/all'), undefined);
        await change(page, 'DELETE', path, undefined, 404);
        await change(
          page,
          'PUT',
          path,
          { task: 'quick', spec: { kind: 'crontab', crontab: 'now and then' } },
          400,
        );
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});

describe('The event stream of the page', () => {
  onEveryEngine(
    (ground) => {
      it('sends ten pages what happens over one listener', async (t) => {
        const { app, worker, twin } = ground.app(t);
        const looking = twin();
        const page = web(looking);
        t.after(() => page.close());
        const quick = app.task('quick', () => 1);
        await worker({ name: 'one@here' });
        let listeners = 0;
        const events = looking.events.bind(looking);
        looking.events = (options) => {
          listeners++;
          return events(options);
        };
        const leave = new AbortController();
        const seen = await Promise.all(
          Array.from({ length: 10 }, async () => {
            const answer = await page.fetch(
              new Request('http://localhost/api/v1/events', { signal: leave.signal }),
            );
            assert.equal(answer.headers.get('content-type'), 'text/event-stream');
            const text = { all: '' };
            void (async () => {
              const decoder = new TextDecoder();
              for await (const chunk of answer.body ?? [])
                text.all += decoder.decode(chunk, { stream: true });
            })().catch(() => undefined);
            return text;
          }),
        );
        assert.equal(listeners, 1);
        // The first ones may be over before the listener stands.
        const sent: string[] = [];
        await until(async () => {
          const result = await quick.delay();
          await result.get(PATIENCE);
          sent.push(result.id);
          return seen.every(({ all }) => sent.some((id) => hasEnded(all, id)));
        }, 'a run on all pages');
        for (const event of ['rates', 'worker', 'queue'])
          await until(() => seen.every(({ all }) => all.includes(`event: ${event}\n`)), event);
        assert.equal(listeners, 1);
        const overview = await read<{ since: string | null; rates: { perSecond: { succeeded: number } } }>(
          page,
          'overview',
        );
        assert(overview.since !== null && overview.rates.perSecond.succeeded > 0);
        leave.abort();
        await page.close();
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});

/** Whether a stream showed the end of a task. */
function hasEnded(stream: string, id: string): boolean {
  return stream
    .split('\n')
    .some((line) => line.includes(`"id":"${id}"`) && line.includes('"state":"SUCCESS"'));
}
