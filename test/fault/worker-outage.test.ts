/**
 * A worker whose broker freezes, pauses, goes deaf or dies: what it says, how it is, that it takes work again, and that
 * it can be stopped meanwhile.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'celeriac';
import { Redis } from 'ioredis';
import { startProgram, testApp, uniqueName, until, within } from '../support/app.js';
import { startProxy } from '../support/proxy.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { IN_TIME_MS, stopInTime } from '../support/stopping.js';

async function redisFor(t: TestContext): Promise<RedisServer> {
  const server = await startRedis(['--appendonly', 'yes']);
  t.after(() => within(server.close(), 'the end of the server'));
  return server;
}

/** A worker that waits for a task does so in a command that blocks. */
async function someoneBlocks(server: RedisServer): Promise<boolean> {
  const client = new Redis(server.url);
  try {
    return / flags=\w*b/.test(String(await client.client('LIST')));
  } finally {
    client.disconnect();
  }
}

const ready = async (worker: Worker) => (await fetch(`http://127.0.0.1:${worker.healthPort}/ready`)).status;

describe('stop() of a worker', { timeout: 280_000 }, () => {
  const troubles = {
    'whose broker is frozen': async (server: RedisServer) => server.freeze(),
    'that is reconnecting': (server: RedisServer) => server.stop('SIGKILL'),
  };
  for (const [which, trouble] of Object.entries(troubles)) {
    it(`${which} returns in time, idle or busy, also when called twice`, async (t) => {
      const server = await redisFor(t);
      await stopInTime(t, { broker: server.url }, async (lines) => {
        await trouble(server);
        if (which.includes('reconnecting'))
          await until(() => lines.some(({ message }) => /lost the connection/.test(message)), 'the loss');
      });
    });
  }

  // BullMQ gives up a wait for a job after six seconds and connects anew, which must not outlive the worker either.
  for (const frozenMs of [0, 5_000, 6_000]) {
    it(`leaves a process that ends, though the broker is frozen, since ${frozenMs} ms`, async (t) => {
      const server = await redisFor(t);
      const program = startProgram(t, new URL('./programs/stops.js', import.meta.url), [
        server.url,
        uniqueName(),
      ]);
      await program.message(({ ready }: { ready?: true }) => ready === true);
      await until(() => someoneBlocks(server), 'the wait for the next task');
      server.freeze();
      await sleep(frozenMs);
      program.send({ stop: true });
      assert.equal(await within(program.ended, 'the end of the program', IN_TIME_MS), 0, program.output());
    });
  }
});

describe('A worker', { timeout: 280_000 }, () => {
  it('that lost its broker says so once, is not ready, and says how long it was away when it is back', async (t) => {
    const server = await redisFor(t);
    const { app, worker: start, lines } = testApp(t, { broker: server.url });
    const task = app.task('task', () => 'done');
    const worker = await start({ health: { port: 0 } });
    assert.equal(await ready(worker), 200);
    await server.stop();
    await until(async () => (await ready(worker)) === 503, 'not being ready');
    const said = (pattern: RegExp) => lines.filter(({ message }) => pattern.test(message));
    assert.equal(said(/lost the connection/).length, 1);
    await server.start();
    await until(async () => (await ready(worker)) === 200, 'being ready again');
    assert.equal(said(/lost the connection/).length, 1);
    await until(() => said(/is back/).length > 0, 'word of its return');
    const [back, ...more] = said(/is back/);
    assert.equal(more.length, 0);
    assert(Number(back?.fields.awayMs) > 0);
    assert.equal(await (await task.delay()).get({ timeout: '30s' }), 'done');
    assert.equal((await app.inspect({ timeout: '5s' }).ping())[worker.node], 'pong');
  });

  for (const [what, freeze] of Object.entries({
    'is frozen': async (server: RedisServer) => {
      server.freeze();
      return () => server.thaw();
    },
    'answers nobody (CLIENT PAUSE)': async ({ port }: RedisServer) => {
      const client = new Redis(port, '127.0.0.1');
      await client.call('CLIENT', 'PAUSE', '8000', 'ALL');
      return () => client.disconnect();
    },
  })) {
    it(`whose broker ${what} is not ready, and takes work again afterwards`, async (t) => {
      const server = await redisFor(t);
      const { app, worker: start } = testApp(t, { broker: server.url });
      const task = app.task('task', () => 'done');
      const worker = await start({ health: { port: 0 } });
      const undo = await freeze(server);
      t.after(undo);
      await until(async () => (await ready(worker)) === 503, 'not being ready');
      assert.equal((await fetch(`http://127.0.0.1:${worker.healthPort}/live`)).status, 200);
      undo();
      await until(async () => (await ready(worker)) === 200, 'being ready again', 40_000);
      assert.equal(await (await task.delay()).get({ timeout: '30s' }), 'done');
    });
  }

  it('whose connections all went deaf notices, makes new ones, and takes work again', async (t) => {
    const server = await redisFor(t);
    const wire = await startProxy(server.port);
    t.after(() => wire.close());
    const { worker: start, app, lines, twin } = testApp(t, { broker: `redis://127.0.0.1:${wire.port}/0` });
    app.task('task', () => 'done');
    const worker = await start({ health: { port: 0 } });
    assert(wire.blackhole() >= 3);
    await until(async () => (await ready(worker)) === 503, 'not being ready');
    await until(() => lines.some(({ message }) => /lost the connection/.test(message)), 'word of it', 60_000);
    await until(async () => (await ready(worker)) === 200, 'being ready again', 60_000);
    const sent = await twin({ broker: server.url }).sendTask('task');
    assert.equal(await sent.get({ timeout: '40s' }), 'done');
  });
});
