/**
 * Everything at once: workers die, one of them is cut off from the broker for longer than its locks last, the broker is
 * slow, and loggers, listeners, hooks and middleware throw in every process. `CELERIAC_CAMPAIGN=1`: several seeds of a few
 * minutes; `campaign.ts` runs one by hand.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { runCampaign } from '../support/fault-campaign.js';
import { faultPlan } from '../support/fault-plan.js';
import { everyTrouble, type Slowness, slowPostgres, slowRedis } from '../support/fault-trouble.js';
import { postgresBinaries, startPostgres } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';

const LONG = process.env.CELERIAC_CAMPAIGN !== undefined;
const SIZE = LONG
  ? { tasks: 2000, rounds: 12, workers: 4, seeds: 3 }
  : { tasks: 100, rounds: 1, workers: 2, seeds: 1 };
const SEED = 20_260;
const withoutPostgres = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

describe('A fleet among hostile code', { timeout: LONG ? 3_500_000 : 280_000 }, () => {
  for (let seed = SEED; seed < SEED + SIZE.seeds; seed++) {
    it(`ends each task once and rightly and is idle and whole afterwards, on Redis (${seed})`, async (t) => {
      const server = await startRedis();
      t.after(() => server.close());
      await endsWell(t, seed, server.url, slowRedis(server.port));
    });

    it(`ends each task once and rightly and is idle and whole afterwards, on PostgreSQL (${seed})`, {
      skip: withoutPostgres,
    }, async (t) => {
      const server = await startPostgres();
      t.after(() => server.close());
      await endsWell(t, seed, server.url, slowPostgres(server.url));
    });
  }
});

async function endsWell(t: TestContext, seed: number, broker: string, slow: Slowness): Promise<void> {
  const report = await runCampaign(t, {
    broker,
    tasks: faultPlan(seed, { count: SIZE.tasks, poison: Math.ceil(SIZE.tasks / 250) }),
    workers: SIZE.workers,
    trouble: everyTrouble(seed, SIZE.rounds, slow),
  });
  t.diagnostic(JSON.stringify({ seed, ...report, faults: report.faults.length }));
  assert.deepEqual(report.faults, []);
  assert.ok(report.killed >= SIZE.rounds && report.parted >= 1 && report.slow === SIZE.rounds);
}
