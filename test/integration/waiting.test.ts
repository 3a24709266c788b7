/**
 * Waiting by the thousand, in another process that has only the ids. `CELERIAC_CAMPAIGN=1`: the numbers the promises are
 * made for, and the figures of a quiet machine; else a size for every day.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import {
  onEveryEngine,
  type Program,
  pause,
  startProgram,
  type TestApp,
  testApp,
  until,
} from '../support/app.js';
import { startRedis } from '../support/redis.js';
import { type RedisMeter, redisMeter } from '../support/redis-meter.js';

const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const WAITS = CAMPAIGN ? 10_000 : 1_000;
const QUEUES = ['one', 'two', 'three', 'four'];
/** The net below all waits. */
const SWEEP_MS = 2_000;

interface Ended {
  readonly ended: number;
  readonly first: number;
  readonly lateMs: number;
  readonly wrong: readonly string[];
  readonly wrongs: number;
}

interface Usage {
  readonly usage: number;
  readonly waiting: number;
  readonly cpuMs: number;
  readonly heapBytes: number;
  readonly listeners: number;
  readonly resources: Readonly<Record<string, number>>;
}

describe('Waiting on Redis', { timeout: CAMPAIGN ? 3_600_000 : 240_000 }, () => {
  it('loses nobody when the connection is cut twice and event streams are trimmed, over three connections', async (t) => {
    const { meter, own, startWaiter } = await ground(t);
    const waiter = await startWaiter();
    const ids = await send(own, WAITS);
    waiter.wait(ids, 0);
    await until(async () => (await meter.channels()) > 0, 'the subscriptions');
    assert.ok((await meter.connections('waiter')).length <= 3);
    for (const queue of QUEUES) await keepFewEvents(meter, own.prefix, queue);
    await own.worker({ queues: QUEUES, concurrency: 50 });
    for (const part of [0.2, 0.6]) {
      await until(
        async () => (await ended(meter, own.prefix)) > WAITS * part,
        `${part} of the tasks`,
        120_000,
      );
      await meter.cut('waiter');
    }
    const { lateMs, ...rest } = await waiter.ended(0);
    assert.deepEqual(rest, { ended: WAITS, first: 0, wrong: [], wrongs: 0 });
    assert.ok((await meter.connections('waiter')).length <= 3);
    t.diagnostic(`${WAITS} waits, the latest ${lateMs} ms after its task's end`);
    if (CAMPAIGN) assert.ok(lateMs < SWEEP_MS + 1_000, `${lateMs} ms`);
  });

  it('leaves no listener, timer or subscription behind, and does not grow', async (t) => {
    const { meter, own, startWaiter } = await ground(t);
    const waiter = await startWaiter();
    await own.worker({ queues: QUEUES, concurrency: 50 });
    const rounds: Usage[] = [];
    for (let round = 0; round < (CAMPAIGN ? 6 : 3); round++) {
      const first = round * WAITS;
      waiter.wait(await send(own, WAITS, { first }), first);
      assert.deepEqual((await waiter.ended(first)).wrong, []);
      await until(async () => (await meter.channels()) === 0, 'the end of the subscriptions', 40_000);
      // Sockets are let go of a moment after the last use.
      await until(async () => {
        const { Timeout = 0, TCPSocketWrap = 0 } = (await waiter.usage()).resources;
        return Timeout === 0 && TCPSocketWrap === 0;
      }, 'the end of the timers, and nothing that keeps the process alive');
      rounds.push(await waiter.usage({ gc: true }));
    }
    const [, second] = rounds;
    const last = rounds.at(-1);
    assert.ok(second !== undefined && last !== undefined);
    assert.deepEqual([last.waiting, last.listeners], [0, 0]);
    assert.deepEqual(last.resources, second.resources);
    const grownBytes = last.heapBytes - second.heapBytes;
    t.diagnostic(`heap after each ${WAITS}: ${rounds.map(({ heapBytes }) => mb(heapBytes)).join(', ')} MB`);
    const more = (rounds.length - 2) * WAITS;
    assert.ok(grownBytes < 1_000 * more, `${grownBytes} bytes more after ${more} more waits`);
  });

  it('is nearly silent while nothing happens', async (t) => {
    const { meter, own, startWaiter } = await ground(t);
    const waiter = await startWaiter();
    waiter.wait(await send(own, WAITS), 0);
    await until(async () => (await meter.channels()) > 0, 'the subscriptions');
    await settledDown(waiter);
    const seconds = CAMPAIGN ? 30 : 5;
    const before = {
      commands: await meter.commands(),
      cpuMs: (await waiter.usage()).cpuMs,
      at: performance.now(),
    };
    await pause(seconds * 1000);
    const passed = (performance.now() - before.at) / 1000;
    const commands = ((await meter.commands()) - before.commands) / passed;
    const core = ((await waiter.usage()).cpuMs - before.cpuMs) / (passed * 10);
    t.diagnostic(
      `${WAITS} idle waits: ${commands.toFixed(1)} commands a second, ${core.toFixed(2)} % of a core`,
    );
    assert.ok(commands < 20, `${commands} commands a second`);
    if (CAMPAIGN) assert.ok(core < 5, `${core} % of a core`);
  });

  it('costs the same however many other processes wait', async (t) => {
    const { meter, own, startWaiter } = await ground(t);
    const others = CAMPAIGN ? 20 : 3;
    const calls = CAMPAIGN ? 3_000 : 200;
    await own.worker({ concurrency: 10 });
    await measure(own, meter, calls, []);
    const idle = await send(own, others, { countdown: '1h' });
    const alone: Cost[] = [];
    const among: Cost[] = [];
    for (let round = 0; round < (CAMPAIGN ? 5 : 1); round++) {
      alone.push(await measure(own, meter, calls, []));
      const waiters = await Promise.all(Array.from({ length: others }, () => startWaiter()));
      for (const [i, waiter] of waiters.entries()) waiter.wait(idle.slice(i, i + 1), 0);
      await Promise.all(waiters.map((waiter) => settledDown(waiter)));
      among.push(await measure(own, meter, calls, waiters));
      for (const waiter of waiters) await waiter.end();
    }
    const ratio = median(among.map(({ redisUs }) => redisUs)) / median(alone.map(({ redisUs }) => redisUs));
    const listenerUs = median(among.map(({ listenerUs }) => listenerUs));
    t.diagnostic(`${others} processes wait beside: Redis ${ratio.toFixed(3)} of alone per job`);
    t.diagnostic(`an idle listener: ${listenerUs.toFixed(2)} µs per job of the fleet`);
    if (!CAMPAIGN) return;
    assert.ok(ratio < 1.1, `${ratio}`);
    assert.ok(listenerUs < 5, `${listenerUs} µs`);
  });
});

describe('Waiting in another process', { timeout: CAMPAIGN ? 3_600_000 : 240_000 }, () => {
  onEveryEngine(
    (ground) => {
      it('loses none of many round trips', async (t) => {
        const own = ground.app(t);
        const waiter = await start(t, ground.url, own.prefix);
        const trips = CAMPAIGN ? 20_000 : 600;
        const wave = 200;
        await own.worker({ concurrency: 20 });
        const echo = own.app.task('echo', (n: number) => n);
        let lateMs = 0;
        for (let first = 0; first < trips; first += wave) {
          const sent = Array.from({ length: wave }, (_, n) => echo.delay(first + n));
          waiter.wait(await Promise.all(sent.map(async (result) => (await result).id)), first);
          const outcome = await waiter.ended(first);
          assert.deepEqual(outcome.wrong, []);
          lateMs = Math.max(lateMs, outcome.lateMs);
        }
        t.diagnostic(`${trips} round trips, the latest heard of ${lateMs} ms after its end`);
        if (CAMPAIGN) assert.ok(lateMs < SWEEP_MS + 1_000, `${lateMs} ms`);
      });
    },
    ['redis', 'sentinel', 'cluster', 'postgres'],
  );
});

interface Cost {
  readonly redisUs: number;
  readonly listenerUs: number;
}

interface Waiter {
  /** Starts to wait for these; the value of each is its place from `first` on. */
  wait(ids: readonly string[], first: number): void;
  ended(first: number): Promise<Ended>;
  usage(options?: { gc?: boolean }): Promise<Usage>;
  end(): Promise<void>;
}

/** A Redis that knows waiters by their user, an app that sends, and its task. */
async function ground(t: TestContext) {
  const redis = await startRedis(['--user', 'waiter', 'on', '>secret', '~*', '&*', '+@all']);
  t.after(() => redis.close());
  const meter = await redisMeter(redis.port);
  t.after(() => meter.close());
  const own = testApp(t, { broker: redis.url });
  own.app.task('echo', (n: number) => n);
  const url = redis.url.replace('redis://', 'redis://waiter:secret@');
  return { meter, own, startWaiter: () => start(t, url, own.prefix) };
}

async function start(t: TestContext, url: string, prefix: string): Promise<Waiter> {
  const program: Program = startProgram(t, new URL('./programs/waiter.js', import.meta.url), [url, prefix]);
  await program.message<object>((message) => 'up' in message, 120_000);
  let asked = 0;
  return {
    wait: (ids, first) => program.send({ wait: ids, first }),
    ended: (first) =>
      program.message<Ended>(
        (message) => 'ended' in message && message.first === first,
        CAMPAIGN ? 600_000 : 60_000,
      ),
    usage: (options = {}) => {
      const usage = ++asked;
      program.send({ usage, ...options });
      return program.message<Usage>((message) => message.usage === usage);
    },
    end: async () => {
      program.child.kill('SIGKILL');
      await program.ended;
    },
  };
}

/** Sends tasks that give back their number, over all queues; their ids. */
async function send(
  { app }: TestApp,
  count: number,
  { first = 0, ...options }: { first?: number; countdown?: string } = {},
): Promise<string[]> {
  const numbers = Array.from({ length: count }, (_, n) => first + n);
  const call = (n: number) =>
    app.sendTask('echo', [n], { queue: QUEUES[n % QUEUES.length] ?? '', ...options });
  return (await Promise.all(numbers.map(call))).map(({ id }) => id);
}

/** BullMQ's own events, kept as short as one may set them: waiting must not lean on them. */
async function keepFewEvents({ client }: RedisMeter, prefix: string, queue: string): Promise<void> {
  await client.hset(`${prefix}:${queue}:meta`, 'opts.maxLenEvents', '100');
}

async function ended({ client }: RedisMeter, prefix: string): Promise<number> {
  const counts = await Promise.all(QUEUES.map((queue) => client.zcard(`${prefix}:${queue}:completed`)));
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

/** Calls and awaits here, ten at a time; what a job cost Redis, and an idle waiter. */
async function measure(
  own: TestApp,
  meter: RedisMeter,
  calls: number,
  waiters: readonly Waiter[],
): Promise<Cost> {
  const used = async () => {
    const cpus = await Promise.all(waiters.map(async (waiter) => (await waiter.usage()).cpuMs));
    return { redis: await meter.cpuMs(), waiters: cpus.reduce((sum, ms) => sum + ms, 0) };
  };
  const before = await used();
  for (let i = 0; i < calls; i += 10) {
    const wave = Array.from({ length: 10 }, async () => (await own.app.sendTask('echo', [1])).get());
    await Promise.all(wave);
  }
  const after = await used();
  return {
    redisUs: ((after.redis - before.redis) * 1000) / calls,
    listenerUs: ((after.waiters - before.waiters) * 1000) / calls / Math.max(1, waiters.length),
  };
}

/** A process that has just started is not idle: until it has used next to nothing for a while. */
async function settledDown(waiter: Waiter): Promise<void> {
  let last = Number.NEGATIVE_INFINITY;
  await until(async () => {
    await pause(500);
    const { cpuMs } = await waiter.usage();
    const usedMs = cpuMs - last;
    last = cpuMs;
    return usedMs < 40;
  }, 'an idle process');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function mb(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
