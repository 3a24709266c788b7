/**
 * Waiting by the thousand, in another process that has only the ids. `CELERIAC_CAMPAIGN=1`: the numbers the promises are
 * made for, and the figures of a quiet machine; else a size for every day.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { Counter, gate, onEveryEngine, pause, type TestApp, testApp, until } from '../support/app.js';
import { startRedis } from '../support/redis.js';
import { startCluster } from '../support/redis-cluster.js';
import { type RedisMeter, redisMeter } from '../support/redis-meter.js';
import { startWaiter, type Usage, type Waiter } from '../support/waiters.js';

const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const WAITS = CAMPAIGN ? 10_000 : 1_000;
const LONG_MS = CAMPAIGN ? 600_000 : 60_000;
const QUEUES = ['one', 'two', 'three', 'four'];
/** The net below all waits. */
const SWEEP_MS = 2_000;
/** Growth of the heap that is none: what a collection leaves differs by less. */
const NOISE_BYTES = 2 ** 20;

describe('Waiting on Redis', { timeout: CAMPAIGN ? 3_600_000 : 240_000 }, () => {
  // A client of a Cluster that reconnects asks for its servers by connections of their own.
  for (const [kind, limit] of [['redis', 3] as const, ['cluster', 5] as const]) {
    it(`loses nobody when it is cut off twice and event streams are trimmed, over ${limit} connections to a server of ${kind}`, async (t) => {
      const { meter, own, keys, startWaiter } = await ground(t, kind);
      const [waiter, ran, open] = [await startWaiter(), new Counter(), gate()];
      own.app.task('counted', async (n: number) => {
        if (ran.add() > 0.8 * WAITS) await open.opened;
        return n;
      });
      const ids = await send(own, WAITS, { name: 'counted' });
      const connections = most(() => meter.connections('waiter'));
      await waiter.wait(ids, 0);
      await waiter.settledDown();
      await trimEvents(meter, keys);
      await own.worker({ queues: QUEUES, concurrency: 50 });
      for (const part of [0.2, 0.6]) {
        await until(() => ran.count > WAITS * part, `${part} of the tasks`, 120_000);
        await until(async () => (await meter.channels()) > 0, 'the subscriptions');
        assert.ok((await meter.cut('waiter')) > 0);
      }
      open.open();
      const { lateMs, ...rest } = await waiter.ended(0);
      assert.deepEqual(rest, { ended: WAITS, first: 0, early: WAITS, wrong: [], wrongs: 0 });
      const kept = await eventsKept(meter, keys);
      assert.ok(
        kept.every((events) => events < 500 && events < WAITS / 4),
        `${kept} events kept`,
      );
      const perServer = await connections();
      t.diagnostic(`${WAITS} waits, the latest ${lateMs} ms after its task's end; connections: ${perServer}`);
      assert.ok(Math.max(...perServer) <= limit, `${perServer} connections`);
      if (CAMPAIGN) assert.ok(lateMs < SWEEP_MS + 1_000, `${lateMs} ms`);
    });
  }

  for (const how of ['has only the ids', 'calls the tasks itself', 'gives up'] as const) {
    it(`leaves no listener, timer or subscription behind, and does not grow, in a process that ${how}`, async (t) => {
      const { meter, own, startWaiter } = await ground(t);
      const waiter = await startWaiter();
      if (how !== 'gives up') await own.worker({ queues: QUEUES, concurrency: 50 });
      const rounds: Usage[] = [];
      const times = CAMPAIGN ? 6 : 3;
      for (let round = 0; round < times; round++) {
        const first = round * WAITS;
        if (how === 'calls the tasks itself') waiter.call(WAITS, first);
        else if (how === 'gives up') waiter.giveUp(await send(own, WAITS, { first }), first);
        else await waiter.wait(await send(own, WAITS, { first }), first);
        assert.deepEqual((await waiter.ended(first)).wrong, []);
        // A process that calls keeps its own for a while, ready for more.
        if (how !== 'calls the tasks itself' || round === times - 1)
          await until(async () => (await meter.channels()) === 0, 'the end of the subscriptions', 40_000);
        // Sockets are let go of a moment after the last use.
        const usage = await until(async () => {
          const now = await waiter.usage({ gc: true });
          const { Timeout = 0, TCPSocketWrap = 0 } = now.resources;
          return Timeout === 0 && TCPSocketWrap === 0 && now;
        }, 'the end of the timers, and nothing that keeps the process alive');
        assert.ok(Math.max(...(await meter.connections('waiter'))) <= 3);
        assert.ok(usage !== false);
        rounds.push(usage);
      }
      const [, second] = rounds;
      const last = rounds.at(-1);
      assert.ok(second !== undefined && last !== undefined);
      assert.deepEqual([last.waiting, last.listeners], [0, 0]);
      assert.deepEqual(last.resources, second.resources);
      const grownBytes = last.heapBytes - second.heapBytes;
      t.diagnostic(`heap after each ${WAITS}: ${rounds.map(({ heapBytes }) => mb(heapBytes)).join(', ')} MB`);
      assert.ok(
        grownBytes < NOISE_BYTES,
        `${grownBytes} bytes more after ${(rounds.length - 2) * WAITS} more waits`,
      );
    });
  }

  it('is nearly silent while nothing happens', async (t) => {
    const { meter, own, startWaiter } = await ground(t);
    const waiter = await startWaiter();
    await waiter.wait(await send(own, WAITS), 0);
    await waiter.settledDown();
    assert.ok((await meter.channels()) > 0);
    await stayIdle(t, waiter, await meter.counting('waiter'));
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
      await Promise.all(waiters.map((waiter, i) => waiter.wait(idle.slice(i, i + 1), 0)));
      await Promise.all(waiters.map((waiter) => waiter.settledDown()));
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
        const waiter = await startWaiter(t, ground.url, own.prefix, LONG_MS);
        const trips = CAMPAIGN ? 20_000 : 800;
        const wave = 200;
        await own.worker({ concurrency: 20 });
        let open = gate();
        const echo = own.app.task('echo', async (n: number) => {
          await open.opened;
          return n;
        });
        let [lateMs, early] = [0, 0];
        for (let first = 0; first < trips; first += wave) {
          open = gate();
          // By turns: tasks that end before, while and after somebody begins to wait, and tasks that end after it.
          const held = (first / wave) % 2 === 0;
          if (!held) open.open();
          const sent = Array.from({ length: wave }, (_, n) => echo.delay(first + n));
          await waiter.wait(await Promise.all(sent.map(async (result) => (await result).id)), first);
          open.open();
          const outcome = await waiter.ended(first);
          assert.deepEqual([outcome.wrong, outcome.ended], [[], wave]);
          if (held) assert.equal(outcome.early, wave);
          lateMs = Math.max(lateMs, outcome.lateMs);
          early += outcome.early;
        }
        t.diagnostic(
          `${trips} round trips, ${early} waits begun before the end, the latest heard of ${lateMs} ms after it`,
        );
        if (CAMPAIGN) assert.ok(lateMs < SWEEP_MS + 1_000, `${lateMs} ms`);
      });
    },
    ['redis', 'sentinel', 'cluster', 'postgres'],
  );
  onEveryEngine(
    (ground) => {
      it('is nearly silent while nothing happens', async (t) => {
        if (ground.engine !== 'postgres') return t.skip('it counts transactions');
        const own = ground.app(t);
        const waiter = await startWaiter(t, ground.url, own.prefix, LONG_MS);
        await waiter.wait(await send(own, WAITS), 0);
        await waiter.settledDown();
        const pool = new pg.Pool({ connectionString: ground.url, max: 1 });
        t.after(() => pool.end());
        // Of all who use this server; a statement of its own is a transaction.
        const committed = async () =>
          Number((await pool.query('SELECT sum(xact_commit) AS n FROM pg_stat_database')).rows[0].n);
        const before = await committed();
        await stayIdle(t, waiter, async () => (await committed()) - before);
      });
    },
    ['postgres'],
  );
});

/** Watches it wait for what does not happen: what it sends, as `sent` has counted since a moment ago, and what it uses. */
async function stayIdle(t: TestContext, waiter: Waiter, sent: () => Promise<number>): Promise<void> {
  const before = { cpuMs: (await waiter.usage()).cpuMs, at: performance.now() };
  await pause(CAMPAIGN ? 30_000 : 5_000);
  const seconds = (performance.now() - before.at) / 1000;
  const commands = (await sent()) / seconds;
  const { cpuMs, waiting } = await waiter.usage();
  const core = (cpuMs - before.cpuMs) / (seconds * 10);
  t.diagnostic(
    `${WAITS} idle waits: ${commands.toFixed(1)} commands a second, ${core.toFixed(2)} % of a core`,
  );
  assert.equal(waiting, WAITS);
  assert.ok(commands > 0, 'the sweep');
  assert.ok(commands < 20, `${commands} commands a second`);
  if (CAMPAIGN) assert.ok(core < 5, `${core} % of a core`);
}

interface Cost {
  readonly redisUs: number;
  readonly listenerUs: number;
}

/** Servers that know waiters by their user, an app that sends, and its task. */
async function ground(t: TestContext, kind: 'redis' | 'cluster' = 'redis') {
  const servers = kind === 'redis' ? await startRedis() : await startCluster();
  const own = testApp(t, { broker: servers.url });
  t.after(() => servers.close());
  const [first, ...others] = 'nodes' in servers ? servers.nodes : [servers];
  assert.ok(first !== undefined);
  const meter = await redisMeter(first.port, ...others.map(({ port }) => port));
  t.after(() => meter.close());
  await meter.admit('waiter');
  own.app.task('echo', (n: number) => n);
  const url = servers.url.replace('://', '://waiter:secret@');
  return {
    meter,
    own,
    /** What keys of a queue begin with. */
    keys: kind === 'redis' ? own.prefix : `{${own.prefix}}`,
    startWaiter: () => startWaiter(t, url, own.prefix, LONG_MS),
  };
}

/** Sends tasks that give back their number, over all queues; their ids. */
async function send(
  { app }: TestApp,
  count: number,
  { first = 0, name = 'echo', ...options }: { first?: number; name?: string; countdown?: string } = {},
): Promise<string[]> {
  const numbers = Array.from({ length: count }, (_, n) => first + n);
  const call = (n: number) => app.sendTask(name, [n], { queue: QUEUES[n % QUEUES.length] ?? '', ...options });
  return (await Promise.all(numbers.map(call))).map(({ id }) => id);
}

/** BullMQ's own events, kept as short as one may set them: waiting must not lean on them. */
async function trimEvents(meter: RedisMeter, keys: string): Promise<void> {
  for (const queue of QUEUES) {
    const key = `${keys}:${queue}:meta`;
    await (await meter.holder(key)).hset(key, 'opts.maxLenEvents', '100');
  }
}

function eventsKept(meter: RedisMeter, keys: string): Promise<number[]> {
  const streams = QUEUES.map((queue) => `${keys}:${queue}:events`);
  return Promise.all(streams.map(async (key) => (await meter.holder(key)).xlen(key)));
}

/** Looks again and again until it is asked: the most there were, of each. */
function most(look: () => Promise<readonly number[]>): () => Promise<readonly number[]> {
  let [found, over]: [readonly number[], boolean] = [[], false];
  const looking = (async () => {
    while (!over) {
      found = (await look()).map((count, i) => Math.max(count, found[i] ?? 0));
      await pause(20);
    }
  })();
  return async () => {
    over = true;
    await looking;
    return found;
  };
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

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function mb(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
