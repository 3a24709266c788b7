/**
 * What a plain task costs Redis, beside the same task on raw BullMQ: no feature may add a round trip to a task that does
 * not use it. Counted by the server over a thousand tasks.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { Queue, Worker } from 'bullmq';
import { Celeriac, type TaskOptions } from 'celeriac';
import { Redis } from 'ioredis';
import { Counter } from '../support/app.js';
import { startRedis } from '../support/redis.js';

const TASKS = 1000;
/** Connecting, listening, clocks, heartbeats, renewed locks: what comes once or by time, not by task. */
const BESIDE = 100;
/** What programs send for a task. BullMQ's scripts do the rest, and call none of these themselves. */
const ROUND_TRIPS = ['evalsha', 'eval', 'publish', 'spublish', 'bzpopmin', 'mget', 'unlink', 'script|load'];

type Calls = Readonly<Record<string, number>>;

describe('Redis commands of a plain task', () => {
  it('are those of raw BullMQ where no result is kept, and one more at most where one is', async (t) => {
    const raw = await rawBullmq(t);
    const forgotten = await celeriac(t, { ignoreResult: true });
    const kept = await celeriac(t, {});
    t.diagnostic(JSON.stringify({ raw, forgotten, kept }));
    const more = (calls: Calls, command: string) => (calls[command] ?? 0) - (raw[command] ?? 0);
    for (const command of ROUND_TRIPS) {
      assert.ok(
        more(forgotten, command) <= BESIDE,
        `${command}: ${more(forgotten, command)} more, none kept`,
      );
    }
    const perTask = ROUND_TRIPS.reduce((sum, command) => sum + Math.max(0, more(kept, command)), 0);
    assert.ok(perTask <= TASKS + BESIDE, `${perTask} more for ${TASKS} kept results`);
  });
});

async function rawBullmq(t: TestContext): Promise<Calls> {
  const { url, calls } = await counted(t);
  const queue = new Queue('q', { connection: { url } });
  await queue.waitUntilReady();
  const before = await calls();
  for (let n = 0; n < TASKS; n++) await queue.add('add', { v: 1, args: [n, 1] });
  const done = new Counter();
  const worker = new Worker('q', async () => done.add(), { connection: { url }, concurrency: 1 });
  await Promise.all([done.reached(TASKS), once(worker, 'drained')]);
  await worker.close();
  await queue.close();
  return since(before, await calls());
}

async function celeriac(t: TestContext, options: TaskOptions): Promise<Calls> {
  const { url, calls } = await counted(t);
  const app = new Celeriac('count', { broker: url });
  const done = new Counter();
  const add = app.task('add', options, (a: number, b: number) => {
    done.add();
    return a + b;
  });
  const before = await calls();
  for (let n = 0; n < TASKS; n++) await add.delay(n, 1);
  const worker = app.worker({ concurrency: 1 });
  await worker.start();
  await done.reached(TASKS);
  await app.close();
  return since(before, await calls());
}

/** A Redis of its own, and how often each command was called so far. */
async function counted(t: TestContext): Promise<{ url: string; calls: () => Promise<Calls> }> {
  const server = await startRedis();
  t.after(() => server.close());
  const client = new Redis(server.url);
  t.after(() => client.disconnect());
  const calls = async () => {
    const lines = (await client.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
    return Object.fromEntries([...lines].map(([, command = '', count]) => [command, Number(count)]));
  };
  return { url: server.url, calls };
}

function since(before: Calls, after: Calls): Calls {
  const entries = Object.entries(after).map(([command, n]) => [command, n - (before[command] ?? 0)] as const);
  return Object.fromEntries(entries.filter(([, n]) => n > 0));
}
