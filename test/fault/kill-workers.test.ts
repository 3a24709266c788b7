/**
 * Workers die (SIGKILL) and connections break in the middle of many tasks. What became of them is read from a ledger
 * that the task bodies and the waiters in other processes write, never from the queue. The long form is `campaign.ts`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { runCampaign } from '../support/fault-campaign.js';
import { faultPlan } from '../support/fault-plan.js';
import { killsAtRandom } from '../support/fault-trouble.js';
import { cutter, postgresBinaries, startPostgres } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';

/** Another seed, other tasks and kills; a failure that one finds is worth a test of its own. */
const SEED = 20_240;
/** The full size; the short form is for every day. */
const LONG = process.env.CELERIAC_CAMPAIGN === '1';
/** How many tasks of the reliable sort outlive a broker. */
const MANY = LONG ? { redis: 5000, postgres: 1500 } : { redis: 2000, postgres: 600 };
const withoutPostgres = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

describe('workers in trouble', { timeout: LONG ? 3_600_000 : 290_000 }, () => {
  it('end each of many tasks once and rightly, though workers are killed all the time', async (t) => {
    const redis = await startRedis();
    t.after(() => redis.close());
    const report = await runCampaign(t, {
      broker: redis.url,
      tasks: faultPlan(SEED, { count: LONG ? 1000 : 500, poison: 4 }),
      workers: 3,
      trouble: killsAtRandom(SEED, LONG ? 20 : 10),
    });
    t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
    assert.deepEqual(report.faults, []);
    // A kill may meet a worker that its own task has just killed.
    assert.ok(report.killed >= (LONG ? 15 : 7), `only ${report.killed} workers were killed`);
  });

  it('end all of many tasks, though every connection is cut and Redis dies and returns', async (t) => {
    const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    t.after(() => redis.close());
    const report = await runCampaign(t, {
      broker: redis.url,
      tasks: faultPlan(SEED, { count: MANY.redis, only: ['plain', 'delayed'], longestWorkMs: 10 }),
      workers: 3,
      trouble: async ({ reached }) => {
        await reached(0.2);
        await cutConnections(redis.port);
        await reached(0.4);
        await redis.stop('SIGKILL');
        await redis.start();
      },
    });
    t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
    assert.deepEqual(report.faults, []);
    assert.deepEqual(report.endings, { value: MANY.redis });
  });
});

describe('workers in trouble on PostgreSQL', {
  skip: withoutPostgres,
  timeout: LONG ? 3_600_000 : 290_000,
}, () => {
  it('end each of many tasks once and rightly, though workers are killed and connections cut all the time', async (t) => {
    const server = await startPostgres();
    t.after(() => server.close());
    const cutAll = await cutter(t, server.url);
    const report = await runCampaign(t, {
      broker: server.url,
      tasks: faultPlan(SEED, { count: LONG ? 400 : 200, poison: 2 }),
      workers: 3,
      trouble: killsAtRandom(SEED, LONG ? 20 : 10, cutAll),
    });
    t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
    assert.deepEqual(report.faults, []);
    assert.ok(report.killed >= 4, `only ${report.killed} workers were killed`);
  });

  it('end all of many tasks, though the server dies and returns', async (t) => {
    const server = await startPostgres();
    t.after(() => server.close());
    const report = await runCampaign(t, {
      broker: server.url,
      tasks: faultPlan(SEED, { count: MANY.postgres, only: ['plain', 'delayed'], longestWorkMs: 10 }),
      workers: 3,
      trouble: async ({ reached }) => {
        await reached(0.3);
        await server.stop('SIGQUIT'); // at once, and recovers from its log
        await server.start();
      },
    });
    t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
    assert.deepEqual(report.faults, []);
    assert.deepEqual(report.endings, { value: MANY.postgres });
  });
});

async function cutConnections(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  for (const type of ['normal', 'pubsub']) await client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  client.disconnect();
}
