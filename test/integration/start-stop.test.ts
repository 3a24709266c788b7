/**
 * A start that fails at any of its steps, and a stop at any moment, leave nothing behind: on a real server, by failing or
 * stopping at each single thing that a start asks of its broker.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac, Task } from 'celeriac';
import { Redis } from 'ioredis';
import { partsOf } from '#src/app.js';
import type { Engine } from '#src/broker/broker.js';
import { gate, uniqueName, until } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.close());

/** What keeps this process alive, but for what is the test runner's. */
const resources = () => process.getActiveResourcesInfo().sort();

/** Calls `at` before the n-th thing that is asked of the broker, and counts them. */
function watch(app: Celeriac, at: (n: number, what: string) => void): () => number {
  let count = 0;
  const watched = <T extends object>(target: T, name: string): T =>
    new Proxy(target, {
      get(_, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value === 'function')
          return (...args: unknown[]) => {
            if (!UNCOUNTED.has(key)) at(++count, `${name}.${String(key)}`);
            return Reflect.apply(value, target, args) as unknown;
          };
        const isRoom = typeof value === 'object' && value !== null && ROOMS.has(key);
        return isRoom ? watched(value, String(key)) : value;
      },
    });
  const { ground } = partsOf(app);
  ground.engine = watched<Engine>(ground.engine, 'engine');
  return () => count;
}

const ROOMS: ReadonlySet<string | symbol> = new Set(['records', 'signals', 'queues', 'broadcast']);
/** They ask nothing. */
const UNCOUNTED: ReadonlySet<string | symbol> = new Set([
  'isUnavailable',
  'wasThere',
  'hold',
  'expect',
  'onGap',
  'unsubscribe',
  'close',
]);

const quiet = () => undefined;
/** What the scheduler meets on the way is logged. */
const SILENT = { debug: quiet, info: quiet, warn: quiet, error: quiet };

function makeApp(t: TestContext) {
  const app = new Celeriac('ends', { broker: redis.url, prefix: uniqueName(), logger: SILENT });
  app.task('plain', () => 1);
  app.task('limited', { rateLimit: '100/s' }, () => 1);
  t.after(() => app.close());
  return app;
}

/** Nobody but this connection is left on the server: no consumer, no listener, no bus, no lock thread. */
async function assertNobodyLeft(control: Redis, when: string): Promise<void> {
  await until(
    async () =>
      String(await control.client('LIST'))
        .trim()
        .split('\n').length === 1,
    `the end of all connections: ${when}`,
  );
}

describe('A worker on Redis', () => {
  let control: Redis;
  before(async () => {
    control = new Redis(redis.url);
    await control.ping();
  });
  after(() => control.quit());

  it('leaves nothing behind, whatever its start fails at, and can be started again', async (t) => {
    const usual = resources();
    for (let failAt = 1, isDone = false; !isDone; failAt++) {
      const app = makeApp(t);
      let failed: string | undefined;
      let isStarting = true;
      watch(app, (n, what) => {
        if (n !== failAt || !isStarting) return;
        failed = what;
        throw new Error(`refused: ${what}`);
      });
      const worker = app.worker({ queues: ['a', 'b'] });
      const outcome = await worker.start().then(
        () => 'started',
        (error: Error) => error.message,
      );
      isStarting = false;
      isDone = failed === undefined;
      if (outcome !== 'started') {
        assert.match(outcome, /refused/);
        assert.equal(String(await control.client('LIST')).match(/cmd=b[a-z]+/g), null, `fetching: ${failed}`);
        await worker.start();
      }
      const ran = await (await app.sendTask('plain', [], { queue: 'a' })).get({ timeout: '20s' });
      assert.equal(ran, 1, failed);
      await app.close();
      await assertNobodyLeft(control, `${failed}`);
      await until(() => resources().length <= usual.length, `the end of ${resources()}: ${failed}`);
      assert.deepEqual(resources(), usual, failed);
    }
  });

  it('leaves nothing behind, whenever it is stopped while it starts', async (t) => {
    const usual = resources();
    for (let stopAt = 1, isDone = false; !isDone; stopAt++) {
      const app = makeApp(t);
      const reached = gate();
      let at: string | undefined;
      watch(app, (n, what) => {
        if (n !== stopAt) return;
        at = what;
        reached.open();
      });
      const worker = app.worker({ queues: ['a'] });
      const starting = worker.start().then(
        () => undefined,
        (error: unknown) => error,
      );
      const first = await Promise.race([reached.opened.then(() => 'stop'), starting.then(() => 'started')]);
      isDone = first === 'started';
      await worker.stop();
      const error = await starting;
      assert.ok(error === undefined || (error as { code?: string }).code === 'APP_CLOSED', `${at}: ${error}`);
      await app.close();
      await assertNobodyLeft(control, `stopped at ${at}`);
      await until(() => resources().length <= usual.length, `the end of ${resources()}: ${at}`);
    }
  });

  it('takes its first task once the listeners of worker-online are through, and is gone after those of worker-offline', async (t) => {
    const app = makeApp(t);
    const order: string[] = [];
    const note = app.task('note', () => order.push('task'));
    const slowly = (what: string) => async () => {
      order.push(`${what} begins`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      order.push(`${what} ends`);
    };
    app.on('worker-online', slowly('online'));
    app.on('worker-offline', slowly('offline'));
    const sent = await note.delay();
    const worker = app.worker();
    await worker.start();
    await sent.get({ timeout: '20s' });
    await worker.stop();
    assert.deepEqual(order, ['online begins', 'online ends', 'task', 'offline begins', 'offline ends']);
  });

  it('tells of its life in this order, and waits for the listeners: what tasks need is open while they run', async (t) => {
    const app = makeApp(t);
    const order: string[] = [];
    class Made {
      constructor() {
        order.push('made');
      }

      @Task('uses')
      async uses() {
        order.push('runs');
        stopping = worker.stop();
        await told.opened;
        order.push('ends');
      }
    }
    let stopping: Promise<void> | undefined;
    const told = gate();
    app.register(Made);
    const life = ['worker-init', 'worker-ready', 'worker-shutting-down', 'worker-stopped'] as const;
    for (const name of life)
      app.on(name, async ({ type, place, node, pid }) => {
        assert.deepEqual([type, place, node, pid], [name, 'worker', 'alive@here', process.pid]);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(name);
        if (name === 'worker-shutting-down') told.open();
      });
    const worker = app.worker({ name: 'alive@here' });
    await worker.start();
    assert.deepEqual(order.splice(0), ['worker-init', 'made', 'worker-ready']);
    await app.sendTask('uses');
    await worker.stopped;
    await stopping;
    assert.deepEqual(order, ['runs', 'worker-shutting-down', 'ends', 'worker-stopped']);
  });

  it('has let everything go when app.close() resolves: the process may end at once', async (t) => {
    const usual = resources();
    const app = makeApp(t);
    await app.worker({ queues: ['a'] }).start();
    assert.equal(await (await app.sendTask('plain', [], { queue: 'a' })).get({ timeout: '20s' }), 1);
    await app.close();
    // A socket says goodbye, a thread is being taken down: a turn of the loop or a few, and nothing that waits.
    await until(() => resources().length <= usual.length, `the end of ${resources()}`, 100);
  });
});
