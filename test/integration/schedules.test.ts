import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  at,
  Celeriac,
  CeleriacError,
  crontab,
  type DueTick,
  DuplicateTaskError,
  every,
  InvalidArgumentsError,
  isCeleriacError,
  OptionError,
  Task,
  type TaskContext,
  TaskService,
} from 'celeriac';
import { z } from 'zod';
import type { Engine } from '#src/broker/broker.js';
import { openEngine } from '#src/broker/open.js';
import { ScheduleStore } from '#src/coordination/schedule-store.js';
import { jobJson } from '#src/queue/producer.js';
import { type StoredEntry, setsOf } from '#src/schedules/entry.js';
import { Counter, gate, onEveryEngine, rejection, until } from '../support/app.js';

const NEVER = crontab('0 0 1 1 *');

describe('Schedules', () => {
  onEveryEngine(
    (ground) => {
      it('tick through any worker, each tick once, by the moment it was due', async (t) => {
        const { app, twin, worker } = ground.app(t);
        const ticked = new Counter();
        const due: string[] = [];
        app.task('tick', function (this: { request: { headers: object } }, ...args: unknown[]) {
          assert.deepEqual(args, [1, { a: [2] }]);
          due.push((this.request.headers as { scheduledAt: string }).scheduledAt);
          ticked.add();
        });
        // Neither of the two workers that tick knows the task; a third one runs it.
        const others = [twin(), twin()].map((other) => other.worker({ queues: ['elsewhere'] }));
        await Promise.all(others.map((other) => other.start()));
        await worker();
        const set = await app.schedules.upsert({
          name: 'often',
          schedule: every(250),
          task: 'tick',
          args: [1, { a: [2] }],
        });
        await ticked.reached(8);
        const { lastRunAt } = await twin().schedules.pause('often');
        const numberOf = (at: Date | string | undefined) =>
          (Number(new Date(at ?? 0)) - Number(set.nextRunAt)) / 250;
        const last = numberOf(lastRunAt);
        await until(() => due.length > last, 'those that were claimed');
        assert.deepEqual(
          due.map(numberOf).sort((a, b) => a - b),
          [...Array(last + 1).keys()],
        );
      });

      it('are seen as they were set, in order, from every process, and go without a trace', async (t) => {
        const { app, twin } = ground.app(t);
        const before = Date.now();
        const set = await app.schedules.upsert({
          name: 'b',
          schedule: every('1h'),
          task: 'other',
          args: ['x'],
          options: { queue: 'slow', priority: 3, expires: '10m', headers: { tenant: 7 } },
        });
        await app.schedules.upsert({ name: 'a', schedule: NEVER, task: app.task('here', () => 1) });
        const entries = await twin().schedules.list();
        assert.deepEqual(
          entries.map(({ name }) => name),
          ['a', 'b'],
        );
        assert.deepEqual(entries[1], set);
        const { nextRunAt, ...rest } = set;
        assert.deepEqual(rest, {
          name: 'b',
          task: 'other',
          args: ['x'],
          options: { queue: 'slow', priority: 3, expires: '10m', headers: { tenant: 7 } },
          schedule: every('1h'),
          paused: false,
          lastRunAt: undefined,
        });
        const inMs = (nextRunAt?.getTime() ?? 0) - before;
        assert.ok(inMs > 3_590_000 && inMs < 3_660_000, `first tick in ${inMs} ms`);
        assert.equal(await app.schedules.get('c'), undefined);
        assert.equal(await app.schedules.remove('c'), false);
        assert.equal(await app.schedules.remove('b'), true);
        assert.equal(await twin().schedules.get('b'), undefined);
        assert.deepEqual(
          (await twin().schedules.list()).map(({ name }) => name),
          ['a'],
        );
        await app.schedules.upsert({ name: 'b', schedule: NEVER, task: 'other' });
        assert.equal((await app.schedules.list()).length, 2);
      });

      it('keep their time when they are set to what they are, and start anew when it changes', async (t) => {
        const { app } = ground.app(t);
        const { schedules } = app;
        const definition = { name: 's', schedule: every('1h'), task: 'x' };
        const { nextRunAt } = await schedules.upsert(definition);
        assert.deepEqual((await schedules.upsert(definition)).nextRunAt, nextRunAt);
        const other = await schedules.upsert({ ...definition, args: [1] });
        assert.deepEqual(other.nextRunAt, nextRunAt);
        assert.deepEqual(other.args, [1]);
        const longer = await schedules.upsert({ ...definition, schedule: every('2h') });
        assert.ok((longer.nextRunAt ?? 0) > (nextRunAt ?? 0));
      });

      it('pause and resume, which makes up for nothing, and stay paused when they are set again', async (t) => {
        const { app, worker } = ground.app(t);
        const ticked = new Counter();
        app.task('tick', () => void ticked.add());
        await worker();
        await app.schedules.upsert({ name: 's', schedule: every(100), task: 'tick' });
        await ticked.reached(2);
        const paused = await app.schedules.pause('s');
        assert.deepEqual([paused.paused, paused.nextRunAt], [true, undefined]);
        const again = await app.schedules.upsert({ name: 's', schedule: every(120), task: 'tick' });
        assert.deepEqual([again.paused, again.nextRunAt], [true, undefined]);
        // What was claimed before the pause is sent; then nothing more comes.
        const { lastRunAt } = (await app.schedules.get('s')) ?? {};
        await (await app.schedules.runNow('s')).get({ timeout: '20s' });
        assert.deepEqual((await app.schedules.get('s'))?.lastRunAt, lastRunAt);
        const before = ticked.count;
        const resumed = await app.schedules.resume('s');
        assert.ok((resumed.nextRunAt?.getTime() ?? 0) > Date.now() - 1000);
        await ticked.reached(before + 2);
        await app.schedules.pause('s');
        await app.schedules.pause('s');
      });

      it('run now, beside their time, as any call of the task', async (t) => {
        const { app, twin, worker } = ground.app(t);
        app.task('add', (a: number, b: number) => a + b);
        await worker();
        await app.schedules.upsert({ name: 's', schedule: NEVER, task: 'add', args: [1, 2] });
        const result = await twin().schedules.runNow<number>('s');
        assert.equal(await result.get({ timeout: '20s' }), 3);
        assert.equal((await result.snapshot()).headers.scheduleName, 's');
        assert.equal((await app.schedules.get('s'))?.lastRunAt, undefined);
      });

      it('are refused where they are written', async (t) => {
        const { app } = ground.app(t);
        app.task('strict', { args: [z.string()] }, (_text: string) => 1);
        const upsert = (change: object) =>
          rejection(app.schedules.upsert({ name: 's', schedule: NEVER, task: 'x', ...change }));
        assert.ok((await upsert({ schedule: '* * * * *' })) instanceof OptionError);
        assert.ok((await upsert({ task: undefined })) instanceof OptionError);
        assert.ok((await upsert({ name: '' })) instanceof OptionError);
        assert.ok((await upsert({ cron: 1 })) instanceof OptionError);
        assert.match((await upsert({ options: { taskId: 'mine' } })).message, /taskId cannot be the same/);
        assert.match((await upsert({ options: { prio: 1 } })).message, /"prio"/);
        assert.ok((await upsert({ task: 'strict', args: [1] })) instanceof InvalidArgumentsError);
        assert.ok(isCeleriacError(await upsert({ args: [() => 1] }), 'NOT_SERIALIZABLE'));
        assert.deepEqual(await app.schedules.list(), []);
        for (const change of ['pause', 'resume', 'runNow'] as const) {
          const error = await rejection(app.schedules[change]('nothing'));
          assert.ok(error instanceof CeleriacError);
          assert.match(error.message, /no schedule "nothing"/);
        }
        assert.throws(() => app.task('y', { schedule: '* * * * *' as never }, () => 1), OptionError);
      });

      it('send what they send by the routes and options of the task, to its lane, under its key', async (t) => {
        const { app, worker } = ground.app(t, { routes: { routed: 'slow' } });
        const seen: Record<string, unknown>[] = [];
        const note = function (this: { request: { queue: string; priority: number; name: string } }) {
          const { queue, priority, name } = this.request;
          seen.push({ name, queue, priority });
        };
        app.task('routed', note);
        app.task('limited', { rateLimit: '200/s', priority: 4 }, note);
        const open = gate();
        const begun = new Counter();
        const once = app.task('once', { unique: { mode: 'reject' } }, () => {
          begun.add();
          return open.opened;
        });
        await worker({ queues: ['slow', 'celeriac'] });
        for (const task of ['routed', 'limited', 'once'])
          await app.schedules.upsert({ name: task, schedule: every(100), task });
        await until(
          () => seen.some(({ name }) => name === 'routed') && seen.some(({ name }) => name === 'limited'),
          'both',
        );
        assert.deepEqual(
          seen.find(({ name }) => name === 'routed'),
          { name: 'routed', queue: 'slow', priority: 0 },
        );
        assert.deepEqual(
          seen.find(({ name }) => name === 'limited'),
          { name: 'limited', queue: 'celeriac', priority: 4 },
        );
        await begun.reached(1);
        assert.ok((await rejection(once.delay())) instanceof DuplicateTaskError);
        // The schedule goes on ticking meanwhile: those ticks are none.
        const { lastRunAt } = (await app.schedules.get('once')) ?? {};
        await until(async () => {
          const entry = await app.schedules.get('once');
          return (entry?.lastRunAt?.getTime() ?? 0) > (lastRunAt?.getTime() ?? 0) + 300;
        }, 'more ticks');
        assert.equal(begun.count, 1);
        open.open();
      });

      it('may be many, set at the same time by several programs, and are all known to workers', async (t) => {
        const { app, twin, worker } = ground.app(t);
        const ran: unknown[] = [];
        app.task('of', (customer: number) => void ran.push(customer));
        await worker();
        const programs = [app, twin(), twin()];
        const customers = Array.from({ length: 100 }, (_, i) => i);
        const scheduleOf = (i: number) => ({ name: `of ${i}`, schedule: NEVER, task: 'of', args: [i] });
        const setBy = (i: number) => programs[i % programs.length] ?? app;
        await Promise.all(customers.map((i) => setBy(i).schedules.upsert(scheduleOf(i))));
        assert.equal((await twin().schedules.list()).length, customers.length);
        const soon = [7, 50, 99];
        await Promise.all(
          soon.map((i) => setBy(i + 1).schedules.upsert({ ...scheduleOf(i), schedule: every('1s') })),
        );
        await until(() => soon.every((i) => ran.includes(i)), 'the ticks of those that changed');
        await Promise.all(customers.map((i) => setBy(i + 1).schedules.remove(`of ${i}`)));
        assert.deepEqual(await app.schedules.list(), []);
      });

      it('run a tick once, though a process that was held up sends it again after its record is gone', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const ran: string[] = [];
        const tick = app.task('tick', { ignoreResult: true }, function () {
          ran.push(this.request.id);
        });
        await worker({ concurrency: 1 });
        await app.schedules.upsert({ name: 's', schedule: every('1s'), task: tick });
        await until(() => ran.length > 0, 'a tick');
        await app.schedules.remove('s');
        const engine = engineOf(t, ground.url, prefix);
        const [jobId = ''] = ran;
        const ref = { queue: 'celeriac', id: jobId };
        await until(async () => (await engine.readJobs([ref]))[0] === undefined, 'the end of its record');
        const data = JSON.stringify({ v: 1, args: [], ignore: true, tick: 'of another process' });
        const job = jobJson({ jobId, name: 'tick', data, sentAt: Date.now(), delayMs: 0, priority: 0 });
        await (await engine.backend('celeriac')).addJob(job, jobId, {});
        const last = await tick.applyAsync([], { ignoreResult: false });
        await last.get({ timeout: '20s' });
        assert.equal((await engine.readJobs([ref]))[0], undefined);
        assert.equal(ran.filter((id) => id === jobId).length, 1);
      });

      it('run what was missed for seconds once, when a worker is back', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const ran: number[] = [];
        app.task('tick', function (this: { request: { headers: object } }) {
          ran.push(Date.parse((this.request.headers as { scheduledAt: string }).scheduledAt));
        });
        const interval = 500;
        await app.schedules.upsert({ name: 's', schedule: every(interval), task: 'tick' });
        const backAt = Date.now();
        const first = backAt - 3_200;
        const store = storeOf(t, ground.url, prefix);
        await store.update('s', (entry) => entry && { ...entry, anchorAt: first - interval, nextAt: first });
        await worker();
        await until(() => ran.length > 2, 'the one that stands for all, and two more');
        assert.deepEqual(
          ran.filter((at) => at < backAt).length <= 1,
          true,
          String(ran.map((at) => at - backAt)),
        );
      });

      it('run what was missed for long once, when a worker is back', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const ran: string[] = [];
        app.task('tick', function (this: { request: { headers: object } }) {
          ran.push((this.request.headers as { scheduledAt: string }).scheduledAt);
        });
        // Due long ago: as if no worker had been there since.
        const interval = 60_000;
        await app.schedules.upsert({ name: 's', schedule: every(interval), task: 'tick' });
        const first = Date.now() - 10.5 * interval;
        const store = storeOf(t, ground.url, prefix);
        await store.update('s', (entry) => entry && { ...entry, anchorAt: first - interval, nextAt: first });
        await worker();
        await until(() => ran.length > 0, 'the one that was missed');
        const entry = await app.schedules.get('s');
        assert.equal(ran.length, 1);
        const missed = (Date.parse(ran[0] ?? '') - first) / interval;
        assert.equal(missed, 10);
        assert.ok((entry?.nextRunAt?.getTime() ?? 0) > Date.now() - 1000);
      });

      it('make up for what was missed as catchUp says', async (t) => {
        const { app, prefix, worker } = ground.app(t);
        const ran = new Map<string, number[]>();
        app.task('tick', function (this: { request: { headers: object } }) {
          const { scheduleName, scheduledAt } = this.request.headers as Record<string, string>;
          ran.set(scheduleName ?? '', [
            ...(ran.get(scheduleName ?? '') ?? []),
            Date.parse(scheduledAt ?? ''),
          ]);
        });
        const interval = 60_000;
        const first = Date.now() - 4.5 * interval;
        const store = storeOf(t, ground.url, prefix);
        for (const catchUp of ['all', 'none', 'last'] as const) {
          await app.schedules.upsert({ name: catchUp, schedule: every(interval, { catchUp }), task: 'tick' });
          await store.update(
            catchUp,
            (entry) => entry && { ...entry, anchorAt: first - interval, nextAt: first },
          );
        }
        await worker();
        await until(() => (ran.get('all')?.length ?? 0) === 5 && ran.has('last'), 'what was missed');
        assert.deepEqual(
          ran
            .get('all')
            ?.sort((a, b) => a - b)
            .map((at) => (at - first) / interval),
          [0, 1, 2, 3, 4],
        );
        assert.equal(ran.get('last')?.length, 1);
        assert.equal(ran.has('none'), false);
        const skipped = await app.schedules.get('none');
        assert.ok((skipped?.nextRunAt?.getTime() ?? 0) > Date.now() - 1000);
        assert.deepEqual(await app.schedules.history('none'), []);
        const history = await app.schedules.history('all');
        assert.deepEqual(
          history.map(({ at }) => (at.getTime() - first) / interval),
          [4, 3, 2, 1, 0],
        );
        assert.ok(history.every(({ late }) => late > 0));
        assert.equal((await app.result(history[0]?.taskId ?? '').snapshot()).name, 'tick');
      });

      it('tick once at their moment, later by their jitter at most', async (t) => {
        const { app, worker } = ground.app(t);
        app.task('once', () => Date.now());
        await worker();
        const moment = Date.now() + 300;
        const schedule = at(new Date(moment), { jitter: '200ms' });
        await app.schedules.upsert({ name: 'once', schedule, task: 'once' });
        await until(async () => (await app.schedules.history('once')).length === 1, 'the tick');
        const [tick] = await app.schedules.history('once');
        // A tick is on record before its task is sent.
        await until(() => app.result(tick?.taskId ?? '').exists(), 'the task');
        const ranAt = await app.result<number>(tick?.taskId ?? '').get({ timeout: '20s' });
        assert.ok(ranAt >= moment, `${moment - ranAt} ms early`);
        assert.equal(tick?.at.getTime(), moment);
        assert.equal((await app.schedules.get('once'))?.nextRunAt, undefined);
      });
    },
    ['redis', 'memory', 'postgres'],
  );
});

describe('Declared schedules', () => {
  onEveryEngine((ground) => {
    it('are kept by the workers that declare them, and by any other', async (t) => {
      const { app, twin, worker } = ground.app(t, { timezone: 'Europe/Rome' });
      const ran = new Counter();
      class Cleaning extends TaskService {
        @Task('cleanup', { schedule: every(200), queue: 'slow' })
        cleanup(): void {
          assert.equal(this.request.queue, 'slow');
          ran.add();
        }
      }
      app.register(new Cleaning());
      app.task('nine', { schedule: crontab('0 9 * * *') }, () => 1);
      assert.deepEqual(await app.schedules.list(), []);
      await worker({ queues: ['slow'] });
      await ran.reached(3);
      const entries = await twin({ timezone: 'UTC' }).schedules.list();
      assert.deepEqual(
        entries.map(({ name, task, args, schedule }) => ({ name, task, args, schedule })),
        [
          { name: 'cleanup', task: 'cleanup', args: [], schedule: every(200) },
          { name: 'nine', task: 'nine', args: [], schedule: crontab('0 9 * * *') },
        ],
      );
      const hour = entries[1]?.nextRunAt?.toLocaleTimeString('en-GB', { timeZone: 'Europe/Rome' });
      assert.equal(hour, '09:00:00');
    });

    it('may be added while the worker runs', async (t) => {
      const { app, worker } = ground.app(t);
      await worker();
      const ran = new Counter();
      app.task('late', { schedule: every(100) }, () => void ran.add());
      await ran.reached(2);
    });

    it('make arguments at the tick, are several of one task, and of kinds of their own', async (t) => {
      const { app, lines, twin, worker } = ground.app(t);
      const seen = new Map<string, unknown[][]>();
      const runs = (name: string) => seen.get(name)?.length ?? 0;
      const every150 = { next: (after: Date) => new Date(after.getTime() + 150) };
      const note = function (this: TaskContext, ...args: unknown[]) {
        const { scheduleName, scheduledAt } = this.request.headers as Record<string, string>;
        const name = scheduleName ?? '';
        seen.set(name, [...(seen.get(name) ?? []), [...args, scheduledAt]]);
      };
      const schedule = {
        fixed: { when: every(150), args: ['acme'] },
        made: { when: every(150), args: (tick: DueTick) => [tick.name, tick.at.toISOString()] },
        own: { when: every150, args: async ({ name }: DueTick) => [name] },
        broken: { when: every(150), args: () => 7 as never },
      };
      app.task('report', { schedule }, note);
      // A worker that knows none of this leaves what needs code to others.
      const stranger = twin();
      await stranger.worker({ queues: ['other'] }).start();
      await worker();
      const ticked = (least: number) => ['fixed', 'made', 'own'].every((name) => runs(name) >= least);
      await until(() => ticked(3), 'the ticks');
      assert.equal(seen.get('fixed')?.[0]?.[0], 'acme');
      for (const [name, at, scheduledAt] of seen.get('made') ?? [])
        assert.deepEqual([name, at], ['made', scheduledAt]);
      assert.equal(seen.get('own')?.[0]?.[0], 'own');
      const { schedule: shown, args } = (await stranger.schedules.get('own')) ?? {};
      assert.deepEqual([shown?.kind, args], ['own', []]);
      assert.ok(lines.some(({ level, message }) => level === 'error' && /schedule broken/.test(message)));
      assert.equal(runs('broken'), 0);
      await stranger.schedules.pause('own');
      await stranger.schedules.resume('own');
      const before = runs('own');
      await until(() => runs('own') >= before + 2, 'the ticks after a pause');
      await assert.rejects(
        stranger.schedules.runNow('made'),
        /made at each tick by the code of task "report"/,
      );
      await (await app.schedules.runNow('made')).get({ timeout: '20s' });
    });

    it('of one name belong to one task', async (t) => {
      const { app } = ground.app(t);
      for (const name of ['one', 'other'])
        app.task(name, { schedule: { name: 'same', when: every('1h') } }, () => 1);
      await assert.rejects(app.worker().start(), /"one" and "other" both declare a schedule called "same"/);
    });

    it('are refused by a worker when the task cannot be called without arguments', async (t) => {
      const { app } = ground.app(t);
      app.task('strict', { args: [z.string()], schedule: every('1h') }, (_text: string) => 1);
      assert.ok((await rejection(app.worker().start())) instanceof InvalidArgumentsError);
    });

    it('leave with the last worker that declares them, and come back as they were', async (t) => {
      const { app, prefix, twin, worker } = ground.app(t);
      const declaring = (own: Celeriac) => own.task('kept', { schedule: every('1d') }, () => 1);
      declaring(app);
      const first = await worker();
      const again = twin();
      declaring(again);
      const second = again.worker();
      await second.start();
      const other = twin().worker({ queues: ['other'] });
      await other.start();
      const set = await app.schedules.pause('kept');
      assert.equal(set.paused, true);
      await first.stop();
      // The other one says that it lives before the word of the first one has run out.
      const store = storeOf(t, ground.url, prefix);
      await until(async () => {
        const rows = await store.readAll();
        const { aliveUntil } = await store.look(setsOf([...rows.values()].map(({ value }) => value)));
        return Math.max(...aliveUntil.values()) > Date.now() + 9000;
      }, 'the renewal');
      assert.ok((await app.schedules.get('kept')) !== undefined);
      await second.stop();
      await until(async () => (await app.schedules.list()).length === 0, 'its end');
      assert.equal(await app.schedules.get('kept'), undefined);
      const back = twin();
      declaring(back);
      await back.worker().start();
      assert.equal((await app.schedules.get('kept'))?.paused, true);
    });

    it('settle on what the latest deploy says, and on the earlier one when that is gone', async (t) => {
      const { app, twin } = ground.app(t);
      const deploy = async (minutes: number) => {
        const own = twin();
        own.task('report', { schedule: every(minutes * 60_000) }, () => 1);
        const worker = own.worker();
        await worker.start();
        return worker;
      };
      const inForce = async () => {
        const { schedule } = (await app.schedules.get('report')) ?? {};
        return schedule?.kind === 'every' ? schedule.everyMs / 60_000 : undefined;
      };
      await deploy(5);
      const next = await deploy(10);
      assert.equal(await inForce(), 10);
      // An old one that restarts changes nothing.
      await deploy(5);
      assert.equal(await inForce(), 10);
      await next.stop();
      await until(async () => (await inForce()) === 5, 'the earlier one');
    });

    it('give way to what was set by a call, until that is removed', async (t) => {
      const { app, lines, twin } = ground.app(t);
      await app.schedules.upsert({ name: 'report', schedule: every('7h'), task: 'report' });
      const own = twin();
      own.task('report', { schedule: every('1h') }, () => 1);
      const worker = own.worker();
      await worker.start();
      assert.deepEqual((await app.schedules.get('report'))?.schedule, every('7h'));
      assert.ok(lines.some(({ level, message }) => level === 'warn' && /outranks/.test(message)));
      await app.schedules.remove('report');
      await own.worker().start();
      assert.deepEqual((await app.schedules.get('report'))?.schedule, every('1h'));
    });
  });
});

/** The records behind the schedules, past the public face. */
function storeOf(t: TestContext, url: string, prefix: string): ScheduleStore<StoredEntry> {
  return new ScheduleStore(engineOf(t, url, prefix));
}

function engineOf(t: TestContext, url: string, prefix: string): Engine {
  const engine = openEngine(url, {
    prefix,
    connectTimeoutMs: 20_000,
    migrate: true,
    onTrouble: () => undefined,
    onRecovered: () => undefined,
  });
  const release = engine.hold();
  t.after(async () => {
    release();
    await engine.close();
  });
  return engine;
}
