/**
 * Machines whose clocks are off, and event loops that stand still: time as workers and callers see it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Queue } from 'bullmq';
import { Celeriac } from 'celeriac';
import { type Program, startProgram, testApp, uniqueName, until } from '../support/app.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const HOUR_MS = 3_600_000;
const program = (name: string) => new URL(`./programs/${name}.js`, import.meta.url);

describe('clocks and blocked loops', () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());

  it('refuses to start a worker whose clock is off the broker by more than half a lock', async (t) => {
    const process = startProgram(t, program('wrong-clock'), [
      redis.url,
      uniqueName(),
      String(HOUR_MS),
      'work',
    ]);
    const { refused } = await process.message<{ refused?: string }>(
      (message) => message.refused !== undefined,
    );
    assert.match(String(refused), /clock is 3[56]\d{5} ms off the broker's/);
    assert.equal(await process.ended, 0);
  });

  it('starts a worker whose clock is a little off', async (t) => {
    const process = startProgram(t, program('wrong-clock'), [redis.url, uniqueName(), '300', 'work']);
    await process.message<{ started?: boolean }>((message) => message.started === true);
  });

  for (const offset of [HOUR_MS, -HOUR_MS]) {
    it(`counts a countdown and an expiry by the broker's clock when the caller is ${offset / HOUR_MS} hours off`, async (t) => {
      const prefix = uniqueName();
      const app = new Celeriac('on-time', { broker: redis.url, prefix });
      t.after(() => app.close());
      app.task('stamp', async () => Date.now());
      const process = startProgram(t, program('wrong-clock'), [redis.url, prefix, String(offset), 'call']);
      const { id } = await process.message<{ id: string }>((message) => message.id !== undefined);
      await app.worker().start();
      const result = app.result<number>(id);
      const ranAt = await result.get({ timeout: '30s' });
      const { sentAt } = await result.snapshot();
      assert.ok(sentAt !== undefined && ranAt - sentAt.getTime() >= 1000, 'not before its time');
    });
  }

  it('runs a delayed task now that another program promotes, and no earlier than then', async (t) => {
    const { app, prefix, worker } = testApp(t, { broker: redis.url });
    const task = app.task('later', () => 1);
    await worker();
    const result = await task.applyAsync([], { countdown: '1h' });
    const queue = new Queue('celeriac', { connection: { port: redis.port }, prefix });
    t.after(() => queue.close());
    const job = await queue.getJob(result.id);
    assert.equal(await job?.getState(), 'delayed');
    await job?.promote();
    assert.equal(await result.get({ timeout: '20s' }), 1);
  });

  it('keeps the tasks of a loop that is blocked for longer than a lock', async (t) => {
    const prefix = uniqueName();
    const options = [redis.url, prefix, JSON.stringify({ lockDuration: '2s' })];
    const blocked: Program = startProgram(t, program('blocking-worker'), options);
    await blocked.message<{ ready?: boolean }>((message) => message.ready === true);
    const app = new Celeriac('caller', { broker: redis.url, prefix });
    t.after(() => app.close());
    const result = await app.sendTask('block', [7000]);
    await blocked.message<{ blocking?: number }>((message) => message.blocking === 1);
    const rival: Program = startProgram(t, program('blocking-worker'), options);
    await rival.message<{ ready?: boolean }>((message) => message.ready === true);
    assert.equal(await result.get({ timeout: '60s' }), blocked.child.pid);
    assert.equal((await result.snapshot()).deliveries, 1);
  });

  it('gives up the tasks of a loop that is blocked beyond blockedLoopTimeout, and lets it write nothing', async (t) => {
    const prefix = uniqueName();
    const options = [redis.url, prefix, JSON.stringify({ lockDuration: '1s', blockedLoopTimeout: '1s' })];
    const stuck: Program = startProgram(t, program('blocking-worker'), options);
    await stuck.message<{ ready?: boolean }>((message) => message.ready === true);
    const app = new Celeriac('caller', { broker: redis.url, prefix });
    t.after(() => app.close());
    const result = await app.sendTask('block', [15_000, 0]);
    await stuck.message<{ blocking?: number }>((message) => message.blocking === 1);
    const rival: Program = startProgram(t, program('blocking-worker'), options);
    assert.equal(await result.get({ timeout: '60s' }), rival.child.pid);
    await until(
      () => stuck.messages.some((m) => (m as { aborted?: string }).aborted !== undefined),
      'the abort',
      40_000,
    );
    assert.equal(await result.get(), rival.child.pid);
    assert.equal((await result.snapshot()).deliveries, 2);
  });
});
