import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type AsyncResult, Celeriac, OptionError } from 'celeriac';
import { Redis } from 'ioredis';
import type { Engine } from '#src/broker/broker.js';
import { openEngine } from '#src/broker/open.js';
import { recordRelocation } from '#src/coordination/relocations.js';
import { laneOf } from '#src/protocol/lanes.js';
import { jobJson } from '#src/queue/producer.js';
import { gate, onEveryEngine, rejection, startProgram, testApp, until } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const WORKER = new URL('./programs/limited-worker.js', import.meta.url);

/** `CELERIAC_CAMPAIGN=1`: the size and the figures of a quiet machine; else what must hold on any. */
const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const TASKS = CAMPAIGN ? 5000 : 600;

/** A busy machine is no broker that is away. */
const PATIENT = { publishRetry: '20s' };

describe('A rate limit', () => {
  onEveryEngine((ground) => {
    it('lets every task run once and shows its own queue', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const ran: number[] = [];
      const mark = app.task('mark', { rateLimit: '200/s' }, (n: number) => void ran.push(n));
      await worker();
      const sent = await Promise.all(range(20).map((n) => mark.delay(n)));
      await Promise.all(sent.map((result) => result.get({ timeout: '20s' })));
      assert.deepEqual(ran.toSorted(byNumber), range(20));
      const snapshot = await twin()
        .result(sent[0]?.id ?? '')
        .snapshot();
      assert.equal(snapshot.queue, 'celeriac');
      assert.equal(snapshot.state, 'SUCCESS');
    });

    it('holds for calls by name, whose ids, headers and priority stay as they were', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const seen: unknown[] = [];
      app.task('mark', { rateLimit: '200/s' }, function (n: number) {
        const { id, headers, priority, queue, retries } = this.request;
        seen.push({ id, headers, priority, queue, retries });
        return n;
      });
      const caller = twin();
      const plain = await caller.sendTask<number>('mark', [1], { headers: { a: 1 }, priority: 7 });
      const named = await caller.sendTask<number>('mark', [2], { taskId: 'my own: id' });
      await worker();
      assert.equal(await plain.get({ timeout: '20s' }), 1);
      assert.equal(await named.get({ timeout: '20s' }), 2);
      assert.equal(await twin().result<number>(plain.id).get({ timeout: '20s' }), 1);
      assert.equal(await twin().result<number>('my own: id').get({ timeout: '20s' }), 2);
      assert.equal((await app.result(plain.id).snapshot()).queue, 'celeriac');
      assert.deepEqual(
        seen.find((request) => (request as { id: string }).id === plain.id),
        { id: plain.id, headers: { a: 1 }, priority: 7, queue: 'celeriac', retries: 0 },
      );
      assert.equal(
        (await rejection(caller.sendTask('mark', [3], { taskId: 'my own: id' }))).name,
        'DuplicateTaskError',
      );
    });

    it('keeps retries, their count and their cause in the lane', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const attempts: number[] = [];
      app.task('flaky', { rateLimit: '200/s', autoretryFor: true, defaultRetryDelay: 1 }, function () {
        attempts.push(this.request.retries);
        if (this.request.retries < 2) throw new Error('not yet');
        return 'at last';
      });
      await worker();
      const sent = await twin().sendTask<string>('flaky');
      assert.equal(await sent.get({ timeout: '20s' }), 'at last');
      assert.deepEqual(attempts, [0, 1, 2]);
      assert.equal((await sent.snapshot()).retries, 2);
    });

    it('revokes what waits in a lane, and what was moved there', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      const ran: number[] = [];
      const slow = app.task('slow', { rateLimit: '1/h' }, (n: number) => void ran.push(n));
      await worker();
      await (await slow.delay(0)).get({ timeout: '20s' });
      const direct = await slow.delay(1);
      const moved = await twin().sendTask('slow', [2]);
      await until(async () => (await moved.snapshot()).deliveries === 0, 'the move');
      assert.deepEqual(await direct.revoke(), { found: true, was: 'PENDING' });
      assert.equal((await moved.revoke()).found, true);
      assert.equal((await rejection(direct.get({ timeout: '20s' }))).name, 'TaskRevokedError');
      assert.equal((await rejection(moved.get({ timeout: '20s' }))).name, 'TaskRevokedError');
      assert.deepEqual(ran, [0]);
    });

    it('runs a call once whose mover died between the two queues', async (t) => {
      const { app, prefix, worker, twin } = ground.app(t, PATIENT);
      const ran: string[] = [];
      app.task('mark', { rateLimit: '200/s' }, function () {
        ran.push(this.request.id);
      });
      const sent = await twin().sendTask('mark');
      // What a mover has done when it dies before the last step of `moves`.
      const engine = engineOf(t, ground.url, prefix);
      const [job] = await engine.readJobs([{ queue: 'celeriac', id: sent.id }]);
      assert.ok(job !== undefined);
      const lane = laneOf('celeriac', 'mark');
      await recordRelocation(engine, { queue: 'celeriac', id: sent.id }, lane);
      const data = JSON.stringify({ ...JSON.parse(job.data), from: 'celeriac' });
      const copy = jobJson({
        jobId: sent.id,
        name: 'mark',
        data,
        sentAt: job.sentAt,
        delayMs: 0,
        priority: 0,
      });
      await (await engine.backend(lane)).addJob(copy, sent.id, {});
      await worker();
      await sent.get({ timeout: '20s' });
      const after = await app.task('after', () => 1).delay();
      await after.get({ timeout: '20s' });
      assert.deepEqual(ran, [sent.id]);
      assert.equal((await engine.readJobs([{ queue: 'celeriac', id: sent.id }]))[0], undefined);
    });

    it('is lifted and set at runtime, also for a task that had none', async (t) => {
      const annotations = { 'sl*': { rateLimit: '1/h' } } as const;
      const { app, worker } = ground.app(t, { ...PATIENT, annotations });
      const slow = app.task('slow', { rateLimit: '100/s' }, (n: number) => n);
      const free = app.task('free', (n: number) => n);
      await worker();
      await (await slow.delay(0)).get({ timeout: '20s' });
      const held = await slow.delay(1);
      assert.equal(await held.status, 'PENDING');
      const [reply] = Object.values(await app.control.rateLimit('slow', null));
      assert.deepEqual(reply, { ok: 'slow: no rate limit, over all workers' });
      assert.equal(await held.get({ timeout: '20s' }), 1);
      await app.control.rateLimit('free', '1/h');
      const first = await free.delay(1);
      const second = await free.delay(2);
      const third = await free.delay(3);
      // One that a worker has in its hands, to move it into its lane, reads STARTED for a moment.
      await until(async () => {
        const states = await Promise.all([first, second, third].map((result) => result.status));
        return states.toSorted().join() === 'PENDING,PENDING,SUCCESS';
      }, 'the one start an hour');
      await app.control.rateLimit('free', '100/s');
      assert.deepEqual(
        await Promise.all([first, second, third].map((result) => result.get({ timeout: '20s' }))),
        [1, 2, 3],
      );
    });

    it('refuses a rate for a name that no worker has, and changes nothing', async (t) => {
      const { app, worker, twin } = ground.app(t, PATIENT);
      await worker();
      const [unknown] = Object.values(await app.control.rateLimit('nobody', '1/h'));
      assert.deepEqual(unknown, { error: 'task "nobody" is not registered here' });
      const late = twin();
      const nobody = late.task('nobody', (n: number) => n);
      await app.close();
      await late.worker().start();
      const results = [await nobody.delay(1), await nobody.delay(2)];
      assert.deepEqual(await Promise.all(results.map((result) => result.get({ timeout: '20s' }))), [1, 2]);
    });

    it('lets a task that has begun go on without a turn, before those that wait for theirs', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const naps = app.task('naps', { rateLimit: '1/h' }, async function () {
        await this.sleep('one', 20);
        const go = await this.waitFor<string>('go');
        await this.sleep('two', 20);
        return go;
      });
      await worker();
      const first = await naps.delay();
      await until(async () => (await first.status) === 'WAITING', 'the sleep');
      const others = await Promise.all(range(3).map(() => naps.delay()));
      await until(async () => (await first.snapshot()).steps.length === 2, 'the wait');
      assert.equal((await first.send('go', 'on')).accepted, true);
      assert.equal(await first.get({ timeout: '20s' }), 'on');
      const states = await Promise.all(others.map((result) => result.status));
      assert.deepEqual(states, ['PENDING', 'PENDING', 'PENDING']);
      assert.equal((await first.snapshot()).deliveries, 1);
    });

    it('leaves the slots to other tasks', async (t) => {
      const { app, worker } = ground.app(t, PATIENT);
      const open = gate();
      const slow = app.task('slow', { rateLimit: '1/h' }, () => open.opened);
      const free = app.task('free', (n: number) => n);
      await worker({ concurrency: 2 });
      const held = await Promise.all(range(10).map(() => slow.delay()));
      const results = await Promise.all(range(50).map((n) => free.delay(n)));
      assert.deepEqual(await Promise.all(results.map((r) => r.get({ timeout: '20s' }))), range(50));
      const states = await Promise.all(held.map((result) => result.status));
      assert.equal(states.filter((state) => state === 'PENDING').length, 9);
      open.open();
    });
  });

  it('is refused where it is written', () => {
    const app = new Celeriac('wrong');
    for (const wrong of ['10', 'ten/s', '10/d', 10 as never]) {
      assert.throws(() => app.task('x', { rateLimit: wrong as never }, () => 1), OptionError);
    }
  });

  describe('over three worker processes', () => {
    let redis: RedisServer;
    let ledger: Redis;
    before(async () => {
      redis = await startRedis();
      ledger = new Redis(redis.url);
    });
    after(async () => {
      ledger.disconnect();
      await redis.close();
    });

    it('is never exceeded in any window, is used, changes live, and others go on', async (t) => {
      const { app, prefix, twin } = testApp(t, { broker: redis.url, publishRetry: '20s' });
      const limited = app.task('limited', { rateLimit: '100/s' }, () => undefined);
      const free = app.task('free', () => undefined);
      const workers = range(3).map(() => startProgram(t, WORKER, [redis.url, prefix]));
      await Promise.all(workers.map((worker) => worker.message((message) => message === 'ready')));
      const alone = await roundTrips(free, 500);
      const byName = twin();
      const sending = range(TASKS).map((n) => (n % 6 === 0 ? byName.sendTask('limited') : limited.delay()));
      const results = await Promise.all(sending);
      const beside = await roundTrips(free, 500);
      const waiting = TASKS - (await ledger.llen('limited'));
      assert.ok(waiting > 0, 'the free tasks were done first');
      await until(async () => (await ledger.llen('limited')) >= TASKS / 2, 'half of them', 180_000);
      const changedAt = Number((await ledger.lrange('limited', -1, -1))[0]);
      await app.control.rateLimit('limited', '50/s');
      await Promise.all(results.map((result) => result.get({ timeout: '180s' })));
      const starts = (await ledger.lrange('limited', 0, -1)).map(Number).toSorted(byNumber);
      assert.equal(starts.length, TASKS);
      assert.ok(mostInAnyWindow(starts, 1000) <= 100, `${mostInAnyWindow(starts, 1000)} in a second`);
      const later = starts.filter((at) => at > changedAt + 1500);
      assert.ok(mostInAnyWindow(later, 1000) <= 50, `${mostInAnyWindow(later, 1000)} in a second later`);
      assert.ok(later.length > 100, 'enough to see the rate');
      t.diagnostic(
        `${rateOf(later)} of 50 a second; free tasks' p95 ${p95(beside)} ms, alone ${p95(alone)} ms`,
      );
      if (!CAMPAIGN) return;
      assert.ok(rateOf(later) >= 45, `only ${rateOf(later)} a second`);
      assert.ok(p95(beside) <= 2 * p95(alone), `p95 ${p95(beside)} ms beside, ${p95(alone)} ms alone`);
    });
  });
});

/** The broker as the package sees it, past its public face. */
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

/** How long each of `n` tasks takes from call to result, ms, a few at a time. */
async function roundTrips(task: { delay(): Promise<AsyncResult<unknown>> }, n: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < n; i += 10) {
    const begun = performance.now();
    const batch = range(10).map(async () => {
      await (await task.delay()).get({ timeout: '60s' });
      times.push(performance.now() - begun);
    });
    await Promise.all(batch);
  }
  return times;
}

function p95(times: readonly number[]): number {
  return Math.round(times.toSorted(byNumber)[Math.floor(times.length * 0.95)] ?? 0);
}

/** The most of these moments that any window of the length holds. */
function mostInAnyWindow(moments: readonly number[], lengthMs: number): number {
  let most = 0;
  let from = 0;
  moments.forEach((at, i) => {
    while (at - (moments[from] ?? at) >= lengthMs) from++;
    most = Math.max(most, i - from + 1);
  });
  return most;
}

function rateOf(moments: readonly number[]): number {
  const spanMs = (moments.at(-1) ?? 0) - (moments[0] ?? 0);
  return ((moments.length - 1) / spanMs) * 1000;
}

function range(n: number): number[] {
  return [...Array(n).keys()];
}

function byNumber(a: number, b: number): number {
  return a - b;
}
