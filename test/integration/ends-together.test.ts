/** Ends that fall together, as Redis sees them. What the calls are made of is tested beside their file. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Celeriac } from 'celeriac';
import { uniqueName, until } from '../support/app.js';
import { quiet } from '../support/fault-tasks.js';
import { startRedis } from '../support/redis.js';
import { redisMeter } from '../support/redis-meter.js';

const TASKS = 400;

describe('Tasks that end in one tick', () => {
  it('take fewer commands than there are tasks, and end each as it did', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const { app, ended, results } = await backlog(t, redis.url);
    const meter = await redisMeter(redis.port);
    t.after(() => meter.close());
    await meter.client.config('RESETSTAT');
    const worker = app.worker({ concurrency: 20 });
    await worker.start();
    await ended;
    await worker.stop();
    const stats = await meter.client.info('commandstats');
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1]);
    assert.ok(calls < TASKS / 2, `${calls} calls for ${TASKS} tasks`);
    for (const [n, result] of results.entries()) {
      const { state, value, error } = await result.snapshot();
      if (n % 7 === 0) assert.deepEqual([state, error?.message.endsWith(`Error: ${n}`)], ['FAILURE', true]);
      else assert.deepEqual([state, value], ['SUCCESS', n]);
    }
    const [queue] = await app.queues.list();
    assert.deepEqual([queue?.waiting, queue?.active, queue?.delayed], [0, 0, 0]);
    assert.deepEqual(await meter.client.keys('*:lock'), []);
  });

  it('wait alone when the broker refuses one of them', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const { app, ended, results, prefix } = await backlog(t, redis.url);
    const meter = await redisMeter(redis.port);
    t.after(() => meter.close());
    // BullMQ's script breaks over this one when it completes, and over no other.
    const spoilt = 398;
    const trap = `${prefix}:celeriac:${results[spoilt]?.id}:dependencies`;
    await meter.client.set(trap, 'no set');
    const worker = app.worker({ concurrency: 20 });
    await worker.start();
    await ended;
    const states = () => Promise.all(results.map(async (result) => (await result.snapshot()).state));
    const wanted = results.map((_, n) => (n % 7 === 0 ? 'FAILURE' : n === spoilt ? 'STARTED' : 'SUCCESS'));
    await until(async () => isDeepStrictEqual(await states(), wanted), 'the end of the others');
    await meter.client.del(trap);
    assert.equal(await results[spoilt]?.get({ timeout: '20s' }), spoilt);
    await worker.stop();
  });
});

async function backlog(t: TestContext, broker: string) {
  const prefix = uniqueName();
  const app = new Celeriac('together', { broker, prefix, logger: quiet });
  t.after(() => app.close());
  let ran = 0;
  let over = () => {};
  const ended = new Promise<void>((resolve) => {
    over = resolve;
  });
  const task = app.task('task', async (n: number) => {
    if (++ran === TASKS) over();
    if (n % 7 === 0) throw new Error(`${n}`);
    return n;
  });
  const results = await app.publish(Array.from({ length: TASKS }, (_, n) => task.s(n)));
  return { app, ended, results, prefix };
}
