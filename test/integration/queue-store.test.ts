/**
 * What every engine must do for those who look after queues, asked of each in the same words; of a Redis Cluster too,
 * where nothing may span two slots.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type JobJson, Queue } from 'bullmq';
import type { Engine } from '#src/broker/broker.js';
import { openEngine } from '#src/broker/open.js';
import { type FailedPlace, NOTHING_PASSED } from '#src/broker/queue-admin.js';
import { startCluster } from '../support/cluster.js';
import { engines, type TestBroker } from '../support/engines.js';

const CANDIDATES: { name: string; skip: string | false; open(): Promise<TestBroker> }[] = [
  ...engines,
  { name: 'cluster', skip: false, open: startCluster },
];
const NOTHING = {
  waiting: 0,
  active: 0,
  delayed: 0,
  waitingChildren: 0,
  failed: 0,
  finished: 0,
  paused: false,
};

for (const candidate of CANDIDATES) {
  describe(`queues of the ${candidate.name} engine`, { skip: candidate.skip, timeout: 600_000 }, () => {
    let broker: TestBroker;
    const opened: Engine[] = [];
    const open = (prefix = `p-${randomUUID()}`) => {
      const silent = { onTrouble: () => {}, onRecovered: () => {} };
      const engine = openEngine(broker.url, { prefix, connectTimeoutMs: 20_000, migrate: true, ...silent });
      opened.push(engine);
      engine.hold();
      return engine;
    };
    before(async () => {
      broker = await candidate.open();
    });
    after(async () => {
      await Promise.all(opened.map((engine) => engine.close()));
      await broker.close();
    });

    it('are known once noted, or written to, until they are forgotten; each prefix has its own', async () => {
      const prefix = `p-${randomUUID()}`;
      const [one, two, other] = [open(prefix), open(prefix), open()];
      const since = Date.now() - 10_000;
      await one.queues.note(['a', 'b~lane']);
      await one.queues.note(['a']);
      await add(one, 'written', '1');
      const known = await two.queues.known();
      assert.deepEqual(known.map(({ name }) => name).sort(), ['a', 'b~lane', 'written']);
      assert.ok(known.every(({ notedAt }) => notedAt > since && notedAt < Date.now() + 10_000));
      await two.queues.forget(['a', 'nobody']);
      await two.queues.forget([]);
      assert.deepEqual((await one.queues.known()).map(({ name }) => name).sort(), ['b~lane', 'written']);
      assert.deepEqual(await other.queues.known(), []);
    });

    it('tell how many jobs are in which state, in the order asked for', async () => {
      const engine = open();
      const backend = await engine.backend('q');
      for (const id of ['w1', 'w2', 'w3']) await add(engine, 'q', id);
      await add(engine, 'q', 'p1', { priority: 3 });
      await add(engine, 'q', 'd1', { delay: 3_600_000 });
      const taken = (await take(engine, 'q', 2)).jobs.map(({ id }) => id);
      assert.deepEqual(taken, ['w1', 'w2']);
      await backend.moveToFailed(end('w1'), 'broken', false, 'token', false);
      assert.deepEqual(await engine.queues.sizes(['none', 'q']), [
        NOTHING,
        { ...NOTHING, waiting: 2, active: 1, delayed: 1, failed: 1 },
      ]);
      await backend.pause(true);
      const [paused] = await engine.queues.sizes(['q']);
      assert.deepEqual([paused?.paused, paused?.waiting], [true, 2]);
      assert.deepEqual(await engine.queues.sizes([]), []);
    });

    it('give out what waits, delayed and prioritised too, once, locked, a few at a time, from a paused queue', async () => {
      const prefix = `p-${randomUUID()}`;
      const [one, two] = [open(prefix), open(prefix)];
      const ids = Array.from({ length: 24 }, (_, n) => `j${n}`);
      for (const [n, id] of ids.entries()) {
        await add(one, 'q', id, n % 3 === 1 ? { priority: 5 } : n % 3 === 2 ? { delay: 3_600_000 } : {});
      }
      await (await one.backend('q')).pause(true);
      const got: string[] = [];
      for (let look = 0; look < 12; look++) {
        const pages = await Promise.all([take(one, 'q', 3, 'A'), take(two, 'q', 3, 'B')]);
        for (const { jobs } of pages) {
          assert.ok(jobs.length <= 3);
          got.push(...jobs.map(({ id }) => id));
        }
      }
      assert.deepEqual([...got].sort(), [...ids].sort());
      assert.equal((await take(one, 'q', 3)).looked, false);
      const [job] = await one.readJobs([{ queue: 'q', id: 'j0' }]);
      assert.deepEqual([job?.running, job?.deliveries], [true, 0]);
      assert.equal((await one.queues.sizes(['q']))[0]?.active, 24);
    });

    it('give out name, message, options and time of a job', async () => {
      const engine = open();
      const before = Date.now() - 10_000;
      await add(engine, 'q', 'only', { priority: 4 });
      const [job] = (await take(engine, 'q', 5)).jobs;
      assert.ok(job);
      assert.deepEqual(
        [job.id, job.name, JSON.parse(job.data), job.opts.priority, job.hasParent],
        ['only', 'task', { id: 'only' }, 4, false],
      );
      assert.ok(job.sentAt > before);
    });

    it("leave the jobs of BullMQ's schedulers where they are", async () => {
      const engine = open();
      const { connection, prefix, factory } = engine.bullmq();
      const options = { connection, ...(prefix === undefined ? {} : { prefix }) };
      const queue = new Queue('q', options as never, factory as never);
      await queue.upsertJobScheduler('tick', { every: 3_600_000 });
      await queue.upsertJobScheduler('tock', { every: 7_200_000, startDate: Date.now() + 60_000 });
      for (const id of ['a', 'b', 'c', 'd']) await add(engine, 'q', id, id > 'b' ? { delay: 3_600_000 } : {});
      const got: string[] = [];
      for (let passed = NOTHING_PASSED; ; ) {
        const step = { limit: 1, passed, token: 'token', lockMs: 30_000 };
        const taken = await engine.queues.take('q', step);
        if (!taken.looked) break;
        got.push(...taken.jobs.map(({ id }) => id));
        passed = taken.passed;
      }
      assert.deepEqual(got.sort(), ['a', 'b', 'c', 'd']);
      const [left] = await engine.queues.sizes(['q']);
      assert.equal((left?.waiting ?? 0) + (left?.delayed ?? 0), 2);
      await queue.close();
    });

    it('page through failed jobs of several queues, newest first, none twice and none left out', async () => {
      const engine = open();
      const ids = Array.from({ length: 9 }, (_, n) => `f${n}`);
      for (const queue of ['x', 'y']) {
        const backend = await engine.backend(queue);
        for (const id of ids) await add(engine, queue, id);
        await take(engine, queue, 9);
        // Many in one millisecond, as a purge or an outage leaves them.
        await Promise.all(ids.map((id) => backend.moveToFailed(end(id), 'broken', false, 'token', false)));
      }
      const all: FailedPlace[] = [];
      for (let page = await engine.queues.failed(['x', 'y'], undefined, 4); page.length > 0; ) {
        all.push(...page);
        page = await engine.queues.failed(['x', 'y'], page.at(-1), 4);
      }
      assert.equal(new Set(all.map(({ queue, id }) => `${queue}/${id}`)).size, 18);
      assert.equal(all.length, 18);
      assert.deepEqual(
        all.map(({ at }) => at),
        all.map(({ at }) => at).sort((a, b) => b - a),
      );
      const [first, last] = [all.at(-1)?.at ?? 0, all[0]?.at ?? 0];
      const due = (failed: number, completed = last + 1) =>
        engine.queues.due(['none', 'x', 'y'], { completed, failed });
      assert.deepEqual(await due(first - 1), [false, false, false]);
      assert.deepEqual(await due(last), [false, true, true]);
      assert.deepEqual(await engine.queues.due([], { completed: last, failed: last }), []);
      assert.equal((await engine.queues.failed(['x'], undefined, 100)).length, 9);
      assert.deepEqual(await engine.queues.failed(['none'], undefined, 100), []);
    });

    it('tell the ended jobs with a message of ours from those of other programs', async () => {
      const engine = open();
      const backend = await engine.backend('q');
      const data = {
        own1: { v: 1, args: [] },
        theirs1: { to: 'x' },
        own2: { v: 1, args: [7], id: 'y' },
        theirs2: [1],
      };
      for (const [id, value] of Object.entries(data)) await add(engine, 'q', id, {}, value);
      await take(engine, 'q', 4);
      for (const id of Object.keys(data))
        await backend.moveToFailed(end(id), 'broken', false, 'token', false);
      const late = Date.now() + 60_000;
      const ended = (passed: number, limit: number, before = late) =>
        engine.queues.ended('q', { state: 'failed', before, passed, limit });
      const all = await ended(0, 10);
      assert.deepEqual([[...all.own].sort(), all.foreign], [['own1', 'own2'], 2]);
      assert.equal((await ended(3, 10)).own.length + (await ended(3, 10)).foreign, 1);
      assert.equal((await ended(0, 2)).own.length + (await ended(0, 2)).foreign, 2);
      assert.deepEqual(await ended(0, 10, 1), { own: [], foreign: 0 });
      assert.deepEqual(
        await engine.queues.ended('none', { state: 'completed', before: late, passed: 0, limit: 9 }),
        {
          own: [],
          foreign: 0,
        },
      );
    });

    it('make a failed job as new but for its attempts, which BullMQ counts anew', async () => {
      const engine = open();
      const backend = await engine.backend('q');
      await add(engine, 'q', 'again');
      await take(engine, 'q', 1);
      await backend.updateProgress('again', { state: 'OLD' });
      await backend.moveToFailed(end('again'), 'broken', false, 'token', false);
      await engine.queues.reset('q', 'again');
      await backend.retryFinishedJob({ id: 'again', opts: {} } as never, 'failed', {
        resetAttemptsMade: true,
        resetAttemptsStarted: true,
      });
      const [job] = await engine.readJobs([{ queue: 'q', id: 'again' }]);
      assert.ok(job);
      const { retries, deliveries, doneAt, running, worker } = job;
      assert.deepEqual([retries, deliveries, doneAt, running, worker], [0, 0, undefined, false, undefined]);
      assert.ok(!JSON.stringify(job.progress ?? null).includes('OLD'));
      assert.equal((await take(engine, 'q', 1)).jobs[0]?.id, 'again');
    });
  });
}

function take(engine: Engine, queue: string, limit: number, token = 'token') {
  return engine.queues.take(queue, { limit, passed: NOTHING_PASSED, token, lockMs: 30_000 });
}

/** A job as its end is told of. */
function end(id: string): never {
  return { id, opts: { attempts: 1 } } as never;
}

async function add(
  engine: Engine,
  queue: string,
  id: string,
  opts: { priority?: number; delay?: number } = {},
  data: unknown = { id },
): Promise<void> {
  const json: JobJson = {
    id,
    name: 'task',
    data: JSON.stringify(data),
    opts,
    timestamp: Date.now(),
    delay: opts.delay ?? 0,
    priority: opts.priority ?? 0,
    progress: 0,
    attemptsMade: 0,
    attemptsStarted: 0,
    stalledCounter: 0,
    failedReason: '',
    returnvalue: '',
  };
  await (await engine.backend(queue)).addJob(json, id, {});
}
