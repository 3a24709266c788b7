/**
 * Workers die (SIGKILL) and connections break in the middle of many tasks. What became of them is read from a ledger
 * that the task bodies and the waiters in other processes write, never from the queue. The long form is `campaign.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCampaign } from '../support/fault-campaign.js';
import { type RedisServer, startRedis } from '../support/redis.js';

describe('killed workers', { timeout: 300_000 }, () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.close());

  it('end each of a thousand tasks once and rightly, whatever was running when they died', async (t) => {
    const options = { seed: 20_240, tasks: 1000, poison: 4, kills: 20, workers: 3 };
    const report = await runCampaign(t, { broker: redis.url, ...options });
    t.diagnostic(JSON.stringify({ ...report, faults: report.faults.length }));
    assert.deepEqual(report.faults, []);
    assert.ok(report.killed >= options.kills, `only ${report.killed} workers were killed`);
  });
});
