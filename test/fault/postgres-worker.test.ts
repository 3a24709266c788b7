/** A worker whose PostgreSQL freezes, dies or restarts: that it can be stopped, what it says, and that it works on. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'celeriac';
import { startProgram, testApp, uniqueName, until, within } from '../support/app.js';
import { cutter, type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { IN_TIME_MS, stopInTime } from '../support/stopping.js';

const skip = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

async function postgresFor(t: TestContext): Promise<PostgresServer> {
  const server = await startPostgres();
  t.after(() => within(server.close(), 'the end of the server'));
  return server;
}

const statusOf = async (worker: Worker, path: string) =>
  (await fetch(`http://127.0.0.1:${worker.healthPort}${path}`)).status;

describe('A worker on PostgreSQL', { skip, timeout: 290_000 }, () => {
  for (const [how, trouble] of Object.entries({
    'is frozen': async (server: PostgresServer) => server.freeze(),
    'is gone': (server: PostgresServer) => server.stop('SIGINT'),
  }))
    it(`stops in time though its broker ${how}, idle or busy, also when told twice`, async (t) => {
      const server = await postgresFor(t);
      await stopInTime(t, { broker: server.url, migrate: true }, () => trouble(server));
    });

  it('leaves a process that ends, though its broker is frozen', async (t) => {
    const server = await postgresFor(t);
    const program = startProgram(t, new URL('./programs/stops.js', import.meta.url), [
      server.url,
      uniqueName(),
    ]);
    await program.message(({ ready }: { ready?: true }) => ready === true);
    server.freeze();
    program.send({ stop: true });
    assert.equal(await within(program.ended, 'the end of the program', IN_TIME_MS), 0, program.output());
  });

  for (const [what, disturb] of Object.entries({
    'is frozen': async (server: PostgresServer) => {
      server.freeze();
      return async () => server.thaw();
    },
    restarts: async (server: PostgresServer) => {
      await server.stop('SIGINT');
      return () => server.start();
    },
  }))
    it(`whose broker ${what} is live and not ready, says so once at most, and takes work again afterwards`, async (t) => {
      const server = await postgresFor(t);
      const { app, worker: start, lines } = testApp(t, { broker: server.url, migrate: true });
      const task = app.task('task', () => 'done');
      const worker = await start({ health: { port: 0 } });
      await until(async () => (await statusOf(worker, '/ready')) === 200, 'being ready');
      const undo = await disturb(server);
      await until(async () => (await statusOf(worker, '/ready')) === 503, 'not being ready');
      assert.equal(await statusOf(worker, '/live'), 200);
      await undo();
      await until(async () => (await statusOf(worker, '/ready')) === 200, 'being ready again', 40_000);
      assert.equal(await (await task.delay()).get({ timeout: '30s' }), 'done');
      const said = (pattern: RegExp) => lines.filter(({ message }) => pattern.test(message)).length;
      await until(() => said(/answers again/) === said(/does not answer/), 'word of its return');
      // A freeze that was short is no outage yet.
      assert.ok(said(/does not answer/) <= 1);
      if (what === 'restarts') assert.equal(said(/does not answer/), 1);
    });

  it('fails no task that it puts back while connections break', async (t) => {
    const server = await postgresFor(t);
    const { app, worker } = testApp(t, {
      broker: server.url,
      migrate: true,
      publishRetry: '30s',
      lockDuration: '1s',
    });
    const one = { concurrency: { key: () => 'one', limit: 1 }, maxDeliveries: 1000 };
    const task = app.task('task', one, () => sleep(20, 'done'));
    await worker({ concurrency: 10 });
    const results = await Promise.all(Array.from({ length: 40 }, () => task.delay()));
    const cutAll = await cutter(t, server.url);
    for (let cuts = 0; cuts < 25; cuts++) {
      await cutAll();
      await sleep(60);
    }
    const ends = await Promise.all(results.map((result) => result.get({ timeout: '60s' })));
    assert.deepEqual(ends, Array(40).fill('done'));
  });
});
