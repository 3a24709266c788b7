/** Tasks with pool 'threads' on a real Redis: they work like any other, and can be ended like no other. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Worker as Thread } from 'node:worker_threads';
import { Redis } from 'ioredis';
import {
  type AsyncResult,
  chain,
  isCeleriacError,
  TaskFailedError,
  TaskRevokedError,
  TimeLimitExceeded,
} from '#src/index.js';
import type { Worker } from '#src/worker/worker.js';
import type { WorkerOptions } from '#src/worker/worker-options.js';
import { until } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

type Fixture = typeof import('../fixtures/threads/app.js');

const MODULE = import.meta.resolve('../fixtures/threads/app.js');
const PATIENCE = { timeout: '60s' } as const;

let redis: RedisServer;
let fixture: Fixture;
/** Every thread this process ever started, for whatever purpose; one that is gone has the id -1. */
const threads: Thread[] = [];
/** Those that renew locks: each worker's first. */
const lockThreads = new Set<Thread>();
const alive = () =>
  threads
    .filter((thread) => thread.threadId !== -1 && !lockThreads.has(thread))
    .map(({ threadId }) => threadId);

/** Resolves with the thread's id once an endless loop runs in it. */
async function spinningIn(result: AsyncResult): Promise<number> {
  const { threadId } = (await reached(result, 'SPINNING')) as { threadId: number };
  assert.ok(alive().includes(threadId));
  return threadId;
}

/** A worker on a queue of its own, and the call options that reach it. */
async function startWorker(
  t: TestContext,
  options: WorkerOptions = {},
): Promise<[Worker, { queue: string }]> {
  const queue = randomUUID();
  const worker = fixture.app.worker({ module: MODULE, concurrency: 4, queues: [queue], ...options });
  t.after(() => worker.stop({ timeout: 1 }));
  const before = threads.length;
  await worker.start();
  const [first] = threads.slice(before);
  if (first !== undefined) lockThreads.add(first);
  return [worker, { queue }];
}

/** Resolves once the task is in a state of its own. */
async function reached(result: AsyncResult, wanted: string): Promise<unknown> {
  for await (const { state, meta } of result.updates()) {
    if (state === wanted) return meta;
  }
  throw new Error(`it ended without having been ${wanted}`);
}

async function failureOf(result: AsyncResult): Promise<TaskFailedError> {
  const error: unknown = await result.get({ ...PATIENCE, propagate: false });
  assert.ok(error instanceof TaskFailedError, String(error));
  return error;
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail('it did not reject'),
    (error: unknown) => error,
  );
}

describe("pool: 'threads'", { timeout: 900_000 }, () => {
  before(async () => {
    process.on('worker', (thread) => threads.push(thread));
    redis = await startRedis();
    process.env.THREADS_BROKER = redis.url;
    process.env.CELERIAC_BROKER_URL = redis.url;
    fixture = await import('../fixtures/threads/app.js');
  });

  after(async () => {
    await fixture.app.close();
    await redis.close();
  });

  describe('where tasks run', () => {
    it('asks and steers workers from within a thread, and ends a running task', async (t) => {
      const [worker, here] = await startWorker(t);
      const spinning = await fixture.handles.spin.applyAsync([], here);
      await spinningIn(spinning);
      const steered = await fixture.handles.steer.applyAsync([spinning.id], here);
      assert.deepEqual(await steered.get(PATIENCE), {
        ping: { [worker.node]: 'pong' },
        grown: { [worker.node]: { ok: 'concurrency is 6 now' } },
        wrong: 'OptionError',
        was: 'SPINNING',
      });
      assert.ok((await rejection(spinning.get(PATIENCE))) instanceof TaskRevokedError);
    });

    it('runs a batch in one thread, for each caller, and ends it when all its calls are ended', async (t) => {
      const [, here] = await startWorker(t, { concurrency: 1 });
      const { together } = fixture.handles;
      const send = (...jobs: string[]) => Promise.all(jobs.map((job) => together.applyAsync([job], here)));
      const ends = async (sent: readonly AsyncResult[]) =>
        Promise.all(sent.map((result) => result.get({ ...PATIENCE, propagate: false })));
      const sent = await send('a', 'b', 'c');
      const values = (await ends(sent)) as { job: string; id: string; threadId: number }[];
      assert.deepEqual(
        values.map(({ job, id }) => [job, id]),
        sent.map(({ id }, i) => ['abc'[i], id]),
      );
      const [thread] = values;
      assert.ok(values.every(({ threadId }) => threadId === thread?.threadId && alive().includes(threadId)));
      const some = await send('fail', 'x', 'y');
      assert.deepEqual((await ends(some.slice(1))).map(String), ['undefined', 'undefined']);
      const again = await send('p', 'q');
      assert.deepEqual(
        (await ends([...some.slice(0, 1), ...again])).map((end) => (end as Error | undefined)?.name),
        ['TaskFailedError', undefined, undefined],
      );
      const spinning = await send('spin', 's', 't');
      await until(async () => {
        const running = Object.values(await fixture.app.inspect().active()).flat();
        return spinning.every(({ id }) => running.some((one) => 'id' in one && one.id === id));
      }, 'all of the batch to run');
      await spinning[0]?.revoke({ terminate: true });
      assert.ok((await ends(spinning.slice(0, 1)))[0] instanceof TaskRevokedError);
      const known = alive();
      await Promise.all(spinning.slice(1).map((result) => result.revoke({ terminate: true })));
      for (const end of await ends(spinning.slice(1))) assert.ok(end instanceof TaskRevokedError);
      await until(() => alive().length < known.length, 'the end of the thread');
      const lost = await ends(await send('exit', 'u', 'v'));
      for (const end of lost) assert.match(String(end), /a batch of 3\) was lost/);
      const limited = await Promise.all(
        ['spin', 'politely', 'w'].map((job) => together.applyAsync([job], { ...here, softTimeLimit: 100 })),
      );
      assert.deepEqual(await ends(limited), Array(3).fill('SoftTimeLimitExceeded'));
    });

    it('puts a task back, retries it with other arguments, ends its workflow, and knows its calls', async (t) => {
      const [, here] = await startWorker(t);
      const { wander, keep } = fixture.handles;
      const result = await chain(wander.s(1).set(here), keep.s().set(here)).delay();
      assert.deepEqual(await result.get(PATIENCE), { n: 2, deliveries: 3, inThread: true });
      const first = result.parent as AsyncResult;
      const called = (await first.children).map(({ id }) => id);
      assert.deepEqual(
        called.filter((id) => id.includes(' called by ')),
        [1, 2, 3].map((n) => `${n} called by ${here.queue}`),
      );
    });

    it("sends events of a task's own, and commands of the app's own, which run in the worker", async (t) => {
      const [worker, here] = await startWorker(t);
      const events: object[] = [];
      t.after(fixture.app.on('order-packed' as 'task-sent', (event) => void events.push(event)));
      const packs = await fixture.handles.packs.applyAsync(['7'], here);
      const { node } = worker;
      assert.deepEqual(await packs.get(PATIENCE), { [node]: { orderId: '7', node, isMainThread: true } });
      const [{ timestamp, ...event }] = events as [{ timestamp: number }];
      assert.ok(timestamp > 0);
      const head = { type: 'order-packed', id: packs.id, name: 'packs', node, pid: process.pid, retries: 0 };
      assert.deepEqual(event, { ...head, ...here, orderId: '7', isMainThread: false });
    });

    it('tells the listeners of each thread of its life, before its first task and after its last', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'celeriac-life-'));
      t.after(() => rmSync(folder, { recursive: true }));
      // Read by threads alone: the test has loaded the module before.
      process.env.THREADS_LIFE = join(folder, 'life');
      t.after(() => delete process.env.THREADS_LIFE);
      const [worker, here] = await startWorker(t, { name: 'life@here', maxTasksPerChild: 1 });
      const life = () =>
        readFileSync(join(folder, 'life'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { type: string; threadId: number; node: string; place: string });
      const ofThread = (id: number) =>
        life()
          .filter(({ threadId }) => threadId === id)
          .map(({ type }) => type);
      assert.deepEqual([...new Set(life().map(({ type }) => type))], ['worker-init', 'worker-ready']);
      const first = await (await fixture.handles.where.applyAsync([], here)).get(PATIENCE);
      const whole = ['worker-init', 'worker-ready', 'worker-shutting-down', 'worker-stopped'];
      await until(() => ofThread(first.threadId).length === 4, 'the end of the first thread');
      const second = await (await fixture.handles.where.applyAsync([], here)).get(PATIENCE);
      await worker.stop();
      for (const { threadId } of [first, second]) assert.deepEqual(ofThread(threadId), whole);
      for (const { node, place } of life()) assert.deepEqual([node, place], ['life@here', 'thread']);
    });

    it('streams what a task yields', async (t) => {
      const [worker, here] = await startWorker(t, { health: { port: 0 } });
      const result = await fixture.handles.counts.applyAsync([250], here);
      const chunks: unknown[] = [];
      for await (const chunk of result.stream()) chunks.push(chunk);
      assert.deepEqual(chunks, [...Array.from({ length: 250 }, (_, i) => i), { isMainThread: false }]);
      assert.equal(await result.get(PATIENCE), 250);
      const metrics = await (await fetch(`http://127.0.0.1:${worker.healthPort}/metrics`)).text();
      assert.match(metrics, /^celeriac_stream_chunks_total 251$/m);
      assert.match(metrics, /^celeriac_streams_open 0$/m);
      const client = new Redis(redis.url);
      t.after(() => client.disconnect());
      const [key = ''] = await client.keys(`*:~n:${result.id}`);
      const ttl = await client.pttl(key);
      assert.ok(ttl > 0 && ttl < 8 * 86_400_000, `it expires with its record, in ${ttl} ms`);
    });

    it('runs tasks that ask for it in a thread, and the others in the worker', async (t) => {
      const [worker, options] = await startWorker(t);
      const { handles } = fixture;
      const where = await (await handles.where.applyAsync([], options)).get(PATIENCE);
      assert.equal(where.isMainThread, false);
      assert.equal(where.node, worker.node);
      for (const handle of [handles.here, handles.anywhere]) {
        assert.equal((await (await handle.applyAsync([], options)).get(PATIENCE)).isMainThread, true);
      }
      assert.equal(worker.describe().pool, 'async');
    });

    it('runs tasks with limits', async (t) => {
      const [, options] = await startWorker(t);
      const limited = await fixture.handles.whereLimited.applyAsync(['secret'], options);
      assert.deepEqual(await limited.get(PATIENCE), {
        name: 'where_limited',
        tags: ['limited'],
        isMainThread: false,
      });
    });

    it("runs whatever does not say otherwise in threads when the worker's pool is threads", async (t) => {
      const [worker, options] = await startWorker(t, { pool: 'threads' });
      const { handles } = fixture;
      const anywhere = await (await handles.anywhere.applyAsync([], options)).get(PATIENCE);
      assert.equal(anywhere.isMainThread, false);
      assert.equal((await (await handles.here.applyAsync([], options)).get(PATIENCE)).isMainThread, true);
      assert.equal(worker.describe().pool, 'threads');
    });

    it('keeps steps, sleeps and waits, and gives its thread to others meanwhile', async (t) => {
      const [, here] = await startWorker(t, { concurrency: 1 });
      const ordered = await fixture.handles.order.applyAsync([], here);
      await until(
        async () => ((await ordered.info) as { name?: string } | undefined)?.name === 'approval',
        'the wait',
      );
      assert.equal(
        (
          (await (await fixture.handles.where.applyAsync([], here)).get(PATIENCE)) as {
            isMainThread: boolean;
          }
        ).isMainThread,
        false,
      );
      assert.deepEqual(await ordered.send('approval', { by: 'ada' }), { accepted: true });
      const { key, ...rest } = (await ordered.get(PATIENCE)) as { key: string };
      assert.ok(key.startsWith(`${ordered.id}:charge:`));
      assert.deepEqual(rest, { inThread: true, by: 'ada', deliveries: 1 });
    });

    it('reuses one thread for tasks that follow each other', async (t) => {
      const [, options] = await startWorker(t);
      const first = await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
      const second = await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
      assert.equal(second.threadId, first.threadId);
      assert.equal(second.calls, first.calls + 1);
    });
  });

  it('never has more threads than slots', async (t) => {
    const [, options] = await startWorker(t, { concurrency: 2 });
    const calls = Array.from({ length: 12 }, () => fixture.handles.where.applyAsync([], options));
    const results = await Promise.all(calls);
    const ran = await Promise.all(results.map((result) => result.get(PATIENCE)));
    assert.ok(new Set(ran.map(({ threadId }) => threadId)).size <= 2);
  });

  describe('inside a task', () => {
    it('shows updateState to others while it runs', async (t) => {
      const [, options] = await startWorker(t);
      const folder = mkdtempSync(join(tmpdir(), 'celeriac-threads-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const path = join(folder, 'go');
      const result = await fixture.handles.untilFile.applyAsync([path], options);
      assert.deepEqual(await reached(result, 'PROGRESS'), { waitsFor: path });
      assert.equal(await result.status, 'PROGRESS');
      writeFileSync(path, '');
      assert.equal(await result.get(PATIENCE), 'seen');
    });

    it('retries, by request and by itself', async (t) => {
      const [, options] = await startWorker(t);
      const flaky = await fixture.handles.flaky.applyAsync([2], options);
      assert.deepEqual(await flaky.get(PATIENCE), { retries: 2, deliveries: 3 });
      const alone = await fixture.handles.flakyByItself.applyAsync([], options);
      assert.equal(await alone.get(PATIENCE), 2);
      const exhausted = await fixture.handles.flaky.applyAsync([9], options);
      const { cause } = await failureOf(exhausted);
      assert.ok(cause instanceof fixture.OutOfPaper);
    });

    it('brings errors back with their class, fields and causes', async (t) => {
      const [, options] = await startWorker(t);
      const error = await failureOf(await fixture.handles.fail.applyAsync([], options));
      const { cause } = error;
      assert.ok(cause instanceof fixture.OutOfPaper);
      assert.equal(cause.message, 'tray 7 is empty');
      assert.equal(cause.tray, 7);
      assert.ok(cause.cause instanceof TypeError);
      assert.match(error.remoteStack ?? '', /fixtures\/threads\/app/);
      const text = await failureOf(await fixture.handles.throwText.applyAsync([], options));
      assert.match(text.message, /plain words/);
      const lossy = await failureOf(await fixture.handles.dateResult.applyAsync([], options));
      assert.ok(isCeleriacError(lossy.cause, 'NOT_SERIALIZABLE'));
    });

    it('calls the hooks of the service, which was registered as a class, in the thread', async (t) => {
      const [, options] = await startWorker(t);
      const { lines, hooked } = fixture;
      const heard = (id: string) =>
        lines
          .filter(({ message, fields }) => message === 'hook' && fields.taskId === id)
          .map(({ fields }) => [fields.hook, fields.what, fields.inThread]);
      const fine = await hooked.hooked.applyAsync([false], options);
      assert.equal(await fine.get(PATIENCE), 'fine');
      await until(() => heard(fine.id).length === 3, 'the hooks');
      assert.deepEqual(heard(fine.id), [
        ['beforeStart', undefined, true],
        ['onSuccess', 'fine', true],
        ['afterReturn', 'SUCCESS', true],
      ]);
      const failing = await hooked.hooked.applyAsync([true], options);
      await failureOf(failing);
      await until(() => heard(failing.id).length === 3, 'the hooks');
      assert.deepEqual(heard(failing.id), [
        ['beforeStart', undefined, true],
        ['onFailure', 'OutOfPaper', true],
        ['afterReturn', 'FAILURE', true],
      ]);
      const killed = await hooked.spin.applyAsync([], options);
      assert.ok((await failureOf(killed)).cause instanceof TimeLimitExceeded);
      await until(() => heard(killed.id).length === 3, 'the hooks in another thread');
      assert.deepEqual(heard(killed.id).slice(1), [
        ['onFailure', 'TimeLimitExceeded', true],
        ['afterReturn', 'FAILURE', true],
      ]);
    });

    it('a listener of its signal finds its call', async (t) => {
      const [, options] = await startWorker(t);
      const sent = await fixture.handles.listenPolitely.applyAsync([], options);
      assert.deepEqual(await sent.get(PATIENCE), ['SoftTimeLimitExceeded', sent.id]);
    });

    it('logs where the worker logs, and runs the middleware of the thread', async (t) => {
      const [, options] = await startWorker(t);
      const logged = await fixture.handles.logLine.applyAsync([], options);
      await logged.get(PATIENCE);
      const line = fixture.lines.find(({ fields }) => fields.taskId === logged.id && fields.step === 1);
      assert.equal(line?.message, 'a line from a thread');
      assert.ok(line?.fields.error instanceof Error);
      assert.equal(line.fields.error.message, 'while logging');
      const wrapped = await fixture.handles.where.applyAsync([], { ...options, headers: { wrap: true } });
      const value = (await wrapped.get(PATIENCE)) as unknown as { wrapped: object; threadId: number };
      assert.notEqual(value.threadId, 0);
      assert.ok(value.wrapped);
    });

    it('materialises arguments, and refuses wrong ones', async (t) => {
      const [, options] = await startWorker(t);
      const bought = await fixture.handles.buy.applyAsync([{ amount: 2 }], options);
      assert.deepEqual(await bought.get(PATIENCE), { isOrder: true, amount: 2 });
      const wrong = await fixture.app
        .sendTask('buy', [{ amount: 0 }], { ...options, taskId: randomUUID() })
        .catch((error: unknown) => error);
      assert.ok(isCeleriacError(wrong, 'INVALID_ARGUMENTS'));
    });

    it('calls other tasks and reads their results through the worker', async (t) => {
      const [, { queue }] = await startWorker(t, { queues: ['celeriac', randomUUID()] });
      assert.notEqual(queue, '');
      const parent = await fixture.handles.parent.delay();
      const { child, childId } = await parent.get(PATIENCE);
      assert.equal((child as { id: string }).id, childId);
      const snapshot = await fixture.app.result(childId).snapshot();
      assert.equal(snapshot.parentId, parent.id);
    });
  });

  describe('limits and ends', () => {
    it('kills an endless loop at its time limit while other tasks go on', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 2 });
      const spinning = await fixture.handles.spin.applyAsync([], { ...options, timeLimit: '2s' });
      const threadId = await spinningIn(spinning);
      const others = await Promise.all(
        Array.from({ length: 20 }, () => fixture.handles.here.applyAsync([], options)),
      );
      await Promise.all(others.map((other) => other.get(PATIENCE)));
      assert.equal(await spinning.status, 'SPINNING');
      assert.ok(isCeleriacError((await failureOf(spinning)).cause, 'TIME_LIMIT'));
      assert.ok(!alive().includes(threadId));
      // The slot and a new thread are there.
      const [one, two] = await Promise.all([
        fixture.handles.where.applyAsync([], options),
        fixture.handles.where.applyAsync([], options),
      ]);
      await Promise.all([one.get(PATIENCE), two.get(PATIENCE)]);
    });

    it('aborts the signal at the soft limit, also in a loop that never yields', async (t) => {
      const [, options] = await startWorker(t);
      for (const handle of [fixture.handles.waitPolitely, fixture.handles.computePolitely]) {
        assert.equal(await (await handle.applyAsync([], options)).get(PATIENCE), 'SoftTimeLimitExceeded');
      }
    });

    it('kills an endless loop that is revoked with terminate', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1 });
      const spinning = await fixture.handles.spin.applyAsync([], options);
      const threadId = await spinningIn(spinning);
      await spinning.revoke({ terminate: true, reason: 'enough' });
      assert.ok((await rejection(spinning.get(PATIENCE))) instanceof TaskRevokedError);
      assert.ok(!alive().includes(threadId));
      await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
    });

    it('hands an endless loop back when the worker stops, and leaves no thread behind', async (t) => {
      const [worker, options] = await startWorker(t);
      const spinning = await fixture.handles.spin.applyAsync([], options);
      await reached(spinning, 'SPINNING');
      await worker.stop({ timeout: 50 });
      assert.deepEqual(alive(), []);
      assert.equal(await spinning.status, 'PENDING');
      await startWorker(t, { queues: [options.queue] });
      await reached(spinning, 'SPINNING');
      assert.equal((await spinning.snapshot()).retries, 0);
      await spinning.revoke({ terminate: true });
      await rejection(spinning.get(PATIENCE));
    });

    it('ends its threads, idle ones too, when the worker stops', async (t) => {
      const [worker, options] = await startWorker(t);
      const both = [1, 2].map(() => fixture.handles.where.applyAsync([], options));
      for (const result of await Promise.all(both)) await result.get(PATIENCE);
      assert.notDeepEqual(alive(), []);
      await Promise.all([worker.stop(), worker.stop()]);
      assert.deepEqual(alive(), []);
    });

    it('fails an at-most-once task that the worker could not wait for', async (t) => {
      const [worker, options] = await startWorker(t);
      const spinning = await fixture.handles.spinOnce.applyAsync([], options);
      await reached(spinning, 'SPINNING');
      await worker.stop({ timeout: 50 });
      assert.ok(isCeleriacError((await failureOf(spinning)).cause, 'WORKER_LOST'));
      assert.deepEqual(alive(), []);
    });

    it('shows request.shuttingDown to a loop that never yields', async (t) => {
      const [worker, options] = await startWorker(t);
      const waiting = await fixture.handles.untilShutdown.applyAsync([], options);
      await reached(waiting, 'WAITING');
      await worker.stop({ timeout: '20s' });
      assert.equal(await waiting.get(PATIENCE), 'saw it');
    });
  });

  describe('threads that die', () => {
    it('fails a task that calls process.exit, and goes on with another thread', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1 });
      const { cause } = await failureOf(await fixture.handles.exit.applyAsync([3], options));
      assert.ok(isCeleriacError(cause, 'WORKER_LOST'));
      assert.match(cause.message, /exit code 3.*process\.exit/);
      await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
    });

    it('retries it where the task retries on any error', async (t) => {
      const [, options] = await startWorker(t);
      const result = await fixture.handles.exitOnce.applyAsync([], options);
      assert.equal(await result.get(PATIENCE), 1);
    });

    it('fails a task whose callback throws, with what it threw', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1 });
      const { cause } = await failureOf(await fixture.handles.crash.applyAsync([], options));
      assert.ok(isCeleriacError(cause, 'WORKER_LOST'));
      assert.match(cause.message, /in a callback/);
      await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
    });

    it('fails a task that runs out of memory, and goes on with another thread', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1, maxMemoryPerChild: '64mb' });
      const { cause } = await failureOf(await fixture.handles.hog.applyAsync([], options));
      assert.ok(isCeleriacError(cause, 'WORKER_LOST'));
      assert.match(cause.message, /out of memory.*maxMemoryPerChild/);
      await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE);
    });
  });

  describe('recycling', () => {
    it('replaces a thread after maxTasksPerChild tasks', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1, maxTasksPerChild: 2 });
      const ran: { threadId: number; calls: number }[] = [];
      for (let i = 0; i < 5; i++) {
        ran.push(await (await fixture.handles.where.applyAsync([], options)).get(PATIENCE));
      }
      assert.deepEqual(
        ran.map(({ calls }) => calls),
        [1, 2, 1, 2, 1],
      );
      assert.equal(new Set(ran.map(({ threadId }) => threadId)).size, 3);
    });

    it('replaces a thread that holds more than maxMemoryPerChild, after its task', async (t) => {
      const [, options] = await startWorker(t, { concurrency: 1, maxMemoryPerChild: '300mb' });
      const keep = async (megabytes: number) =>
        (await fixture.handles.keep.applyAsync([megabytes], options)).get(PATIENCE);
      const small = await keep(1);
      assert.equal(await keep(400), small);
      assert.notEqual(await keep(1), small);
    });
  });

  describe('what its threads load', () => {
    it('refuses to start without a module, naming the task and what to do', async (t) => {
      const worker = fixture.app.worker();
      t.after(() => worker.stop());
      const error = await rejection(worker.start());
      assert.ok(isCeleriacError(error, 'OPTION'));
      assert.match(error.message, /task "\w+" has pool: 'threads'.*module: import\.meta\.url/);
    });

    for (const [what, module, message] of [
      ['that does not exist', '/no/such/module.js', /is no file/],
      ['that is no path', 'tasks.js', /neither a file URL nor an absolute path/],
      [
        'that fails to load',
        import.meta.resolve('../fixtures/threads/breaks.js'),
        /RangeError: this module never loads/,
      ],
      [
        'that makes another app',
        import.meta.resolve('../fixtures/threads/other-app.js'),
        /makes only "somebody-else".*must name a module that makes the app "threads"/,
      ],
    ] as const) {
      it(`refuses to start with a module ${what}`, async () => {
        const worker = fixture.app.worker({ module, queues: [randomUUID()] });
        const error = await rejection(worker.start());
        assert.ok(isCeleriacError(error, 'OPTION'), String(error));
        assert.match(error.message, message);
        await worker.stop();
      });
    }

    it('refuses options that cannot be right', () => {
      for (const [options, message] of [
        [{ pool: 'processes' }, /pool "processes" must be 'async' or 'threads'/],
        [{ maxTasksPerChild: 0 }, /maxTasksPerChild 0/],
        [{ maxMemoryPerChild: 'much' }, /maxMemoryPerChild "much".*'200mb'/],
      ] as const) {
        assert.throws(() => fixture.app.worker(options as WorkerOptions), message);
      }
      const wrong = { pool: 'thread' as 'threads' };
      assert.throws(() => fixture.app.task('x', wrong, () => 1), /pool "thread" must be/);
    });

    const run = (name: string) =>
      promisify(execFile)(process.execPath, [
        fileURLToPath(import.meta.resolve(`../fixtures/threads/${name}.js`)),
      ]);

    it('may be the very file that starts the worker', async () => {
      const { stdout } = await run('one-file');
      assert.equal(stdout, 'ran in: thread\n');
    });

    it('says so when that file calls tasks while it is loaded', async () => {
      const { stdout } = await run('calls-early');
      assert.match(stdout, /OptionError: .*calls-early.*asks something of the broker while it is loaded/);
    });
  });

  it('works the same on the embedded broker, whose database lives in the worker alone', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [fileURLToPath(import.meta.resolve('../fixtures/threads/one-file.js'))],
      { env: { ...process.env, CELERIAC_BROKER_URL: 'memory://' } },
    );
    assert.equal(stdout, 'ran in: thread\n');
  });

  it('is not loaded by a worker without such tasks', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'celeriac-threads-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const script = `
      import { Celeriac } from '${import.meta.resolve('#src/index.js')}';
      const app = new Celeriac('plain', { prefix: '${randomUUID()}' });
      const one = app.task('one', async () => 1);
      await app.worker().start();
      await (await one.delay()).get({ timeout: '20s' });
      await app.close();`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, NODE_V8_COVERAGE: folder },
    });
    const loaded = readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join();
    assert.match(loaded, /dist\/core\.js/);
    assert.doesNotMatch(loaded, /threads\/(pool|thread)\.js/);
  });
});
