import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { Ignore, type Worker } from 'celeriac';
import { BrokerClock } from '#src/broker/clock.js';
import { openEngine } from '#src/broker/open.js';
import { WorkerHealth } from '#src/worker/observe/health.js';
import { gate, onEveryEngine, rejection, testApp, uniqueName, until, within } from '../support/app.js';
import { startRedis } from '../support/redis.js';

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(worker: Worker, path: string): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${worker.healthPort}${path}`);
  return { status: response.status, text: await response.text() };
}

/** The value of one line of Prometheus text; undefined where it is not there. */
function metric(text: string, line: string): number | undefined {
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}

const health = { port: 0 };

describe('The health of a worker', () => {
  onEveryEngine((ground) => {
    it('is live and ready while it takes tasks, and not ready once it stops', async (t) => {
      const { app, worker: start } = ground.app(t);
      const [begun, finish] = [gate(), gate()];
      const hold = app.task('hold', async () => {
        begun.open();
        await finish.opened;
      });
      const worker = await start({ health, shutdownTimeout: '20s' });
      assert.deepEqual(await ask(worker, '/live'), { status: 200, text: 'ok\n' });
      assert.deepEqual(await ask(worker, '/ready'), { status: 200, text: 'ok\n' });
      assert.equal((await ask(worker, '/')).status, 404);
      await hold.delay();
      await begun.opened;
      const stopped = worker.stop();
      const { status, text } = await ask(worker, '/ready');
      assert.deepEqual({ status, text }, { status: 503, text: 'the worker is stopping\n' });
      assert.equal((await ask(worker, '/live')).status, 200);
      finish.open();
      await stopped;
      await assert.rejects(ask(worker, '/live'));
    });

    it('counts tasks by name and state, how long they ran and waited, what runs, and what waits', async (t) => {
      const { app, worker: start } = ground.app(t);
      const finish = gate();
      const good = app.task('good', async () => 1);
      const bad = app.task('bad', { maxRetries: 0 }, () => Promise.reject(new Error('no')));
      const again = app.task('again', { maxRetries: 1, autoretryFor: true, defaultRetryDelay: 1 }, () =>
        Promise.reject(new Error('no')),
      );
      const shy = app.task('shy', () => Promise.reject(new Ignore()));
      const hold = app.task('hold', () => finish.opened);
      const worker = await start({ health, concurrency: 2 });
      for (const sent of [await good.delay(), await good.delay()]) await sent.get({ timeout: '20s' });
      for (const sent of [await bad.delay(), await again.delay()])
        await rejection(sent.get({ timeout: '20s' }));
      await shy.delay();
      await until(async () => (await app.inspect().stats())[worker.node], 'stats');
      for (let n = 0; n < 5; n++) await hold.delay();
      await good.applyAsync([], { countdown: '1h' });
      const read = async () => (await ask(worker, '/metrics')).text;
      const text = await until(async () => {
        const now = await read();
        return metric(now, 'celeriac_tasks_running') === 2 && now.includes('"shy"') && now;
      }, 'two running tasks');
      assert(typeof text === 'string');
      const ended = (task: string, state: string) =>
        metric(text, `celeriac_tasks_total{task="${task}",state="${state}"}`);
      assert.equal(ended('good', 'SUCCESS'), 2);
      assert.equal(ended('bad', 'FAILURE'), 1);
      assert.equal(ended('again', 'RETRY'), 1);
      assert.equal(ended('again', 'FAILURE'), 1);
      assert.equal(ended('shy', 'IGNORED'), 1);
      assert.equal(metric(text, 'celeriac_task_runtime_seconds_count{task="good"}'), 2);
      assert.equal(metric(text, 'celeriac_task_queue_wait_seconds_count{task="good"}'), 2);
      // A second attempt waited because it was told to.
      assert.equal(metric(text, 'celeriac_task_queue_wait_seconds_count{task="again"}'), 1);
      assert.equal(metric(text, 'celeriac_worker_concurrency'), 2);
      const slots = ['size', 'used', 'free'].map((name) => metric(text, `celeriac_slots_${name}`));
      assert.deepEqual(slots, [2, 2, 0]);
      const stats = (await app.inspect().stats())[worker.node];
      assert.ok(stats !== undefined && !('error' in stats));
      assert.deepEqual(stats.slots, { size: 2, used: 2, free: 0 });
      assert.equal(metric(text, 'celeriac_workers'), 1);
      const depth = (state: string) =>
        metric(text, `celeriac_queue_depth{queue="celeriac",state="${state}"}`);
      assert.deepEqual([depth('waiting'), depth('running'), depth('delayed')], [3, 2, 1]);
      const oldest = metric(text, 'celeriac_queue_oldest_waiting_seconds{queue="celeriac"}');
      assert(oldest !== undefined && oldest >= 0 && oldest < 60, `${oldest}`);
      finish.open();
    });
  });

  it('is the age of the task that waits longest, not of the newest', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    const { app, worker: start } = testApp(t, { broker: server.url });
    const finish = gate();
    const hold = app.task('hold', () => finish.opened);
    const worker = await start({ health, concurrency: 1 });
    const oldestIs = (matches: (seconds: number) => boolean, what: string) =>
      until(async () => {
        const { text } = await ask(worker, '/metrics');
        return matches(metric(text, 'celeriac_queue_oldest_waiting_seconds{queue="celeriac"}') ?? -1);
      }, what);
    await hold.delay();
    await hold.delay();
    await oldestIs((seconds) => seconds > 0.5, 'half a second of waiting');
    await hold.delay();
    const { text } = await ask(worker, '/metrics');
    assert((metric(text, 'celeriac_queue_oldest_waiting_seconds{queue="celeriac"}') ?? 0) > 0.5);
    finish.open();
    await oldestIs((seconds) => seconds === 0, 'an empty queue');
  });

  it('answers before there is a broker: live, not ready', async (t) => {
    const server = await startRedis();
    t.after(() => within(server.close(), 'the end of the server'));
    await server.stop();
    const { app } = testApp(t, { broker: server.url, publishRetry: 200 });
    const worker = app.worker({ health });
    await assert.rejects(worker.start(), { code: 'BROKER_UNAVAILABLE' });
    assert.equal((await ask(worker, '/live')).status, 200);
    assert.equal((await ask(worker, '/ready')).status, 503);
    await server.start();
    await worker.start();
    assert.equal((await ask(worker, '/ready')).status, 200);
  });

  it('is refused on a port that is taken, and on none at all', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const address = taken.address();
    assert(typeof address === 'object' && address !== null);
    const { app } = testApp(t, { broker: 'memory://' });
    await assert.rejects(
      app.worker({ health: { port: address.port } }).start(),
      /health port 127\.0\.0\.1:\d+ cannot be opened: it is taken/,
    );
    assert.throws(() => app.worker({ health: { port: -1 } }), /health\.port -1 must be a port/);
    assert.throws(() => app.worker({ health: { port: 1, hots: 'x' } as never }), /Did you mean "host"/);
  });
});

describe('A worker that has been deaf for a minute', () => {
  it('is to be restarted when its broker answers others, and to be left alone when not', async (t) => {
    const server = await startRedis();
    t.after(() => server.close());
    const engine = openEngine(server.url, {
      prefix: uniqueName(),
      connectTimeoutMs: 1000,
      migrate: false,
      onTrouble: () => undefined,
      onRecovered: () => undefined,
    });
    t.after(() => engine.close());
    await engine.ready();
    let deafMs = 0;
    const vitals = new WorkerHealth({
      engine,
      clock: new BrokerClock(engine),
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      health: undefined,
      measured: false,
      running: () => 0,
      concurrency: () => 1,
      slots: () => ({ size: 1, used: 0, free: 1 }),
      idle: () => undefined,
      stalledForMs: () => deafMs,
      queues: () => [],
    });
    const told = async () => [(await vitals.live()).ok, (await vitals.ready()).ok];
    assert.deepEqual(await told(), [true, true]);
    deafMs = 10_000;
    assert.deepEqual(await told(), [true, false]);
    deafMs = 61_000;
    assert.deepEqual(await told(), [false, false]);
    assert.match((await vitals.live()).why ?? '', /no queue polled for 61 s/);
    server.freeze();
    assert.deepEqual(await told(), [true, false]);
    // A probe waits a second by default: whether to restart must be known by then.
    const order: string[] = [];
    await Promise.all([
      vitals.ready().then(() => order.push('ready')),
      vitals.live().then(() => order.push('live')),
    ]);
    assert.deepEqual(order, ['live', 'ready']);
    server.thaw();
  });
});
