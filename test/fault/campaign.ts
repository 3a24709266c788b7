/**
 * The long form of `kill-workers.test.ts`, for by hand and for machines with time:
 * `node build/test/fault/campaign.js [--rounds 10] [--tasks 1000] [--kills 40] [--workers 4] [--seed 1]
 * [--engine redis|postgres] [--every]`. On PostgreSQL about every other kill is a cut of all connections. With `--every`
 * each kill is followed by a worker that is cut off alone, and by a slow broker.
 * Each round has a seed of its own; the exit code is 1 when one found a fault.
 */
import { parseArgs } from 'node:util';
import { type CampaignOptions, runCampaign } from '../support/fault-campaign.js';
import { faultPlan } from '../support/fault-plan.js';
import { everyTrouble, killsAtRandom, slowPostgres, slowRedis } from '../support/fault-trouble.js';
import { cutter, startPostgres } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    tasks: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '40' },
    workers: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
    engine: { type: 'string', default: 'redis' },
    every: { type: 'boolean', default: false },
  },
});
const number = (name: 'rounds' | 'tasks' | 'kills' | 'workers' | 'seed') => {
  const n = Number(values[name]);
  if (Number.isInteger(n) && n > 0) return n;
  throw new Error(`--${name} must be a whole number of 1 or more, not ${values[name]}`);
};

const server = await start(values.engine);
let faults = 0;
for (let round = 0; round < number('rounds'); round++) {
  faults += await run(number('seed') + round);
}
await server.close();
process.exitCode = faults === 0 ? 0 : 1;

function start(engine: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  if (engine === 'redis') return startRedis();
  if (engine === 'postgres') return startPostgres();
  throw new Error(`--engine must be redis or postgres, not ${engine}`);
}

/** One round; what it started is ended before the next. */
async function run(seed: number): Promise<number> {
  const cleanups: (() => unknown)[] = [];
  const t = { after: (fn: unknown) => void cleanups.push(fn as () => unknown) };
  try {
    const report = await runCampaign(t, {
      broker: server.url,
      tasks: faultPlan(seed, { count: number('tasks'), poison: Math.ceil(number('tasks') / 250) }),
      workers: number('workers'),
      trouble: await troubleOf(t, seed),
    });
    console.log(JSON.stringify({ seed, ...report }));
    return report.faults.length;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

async function troubleOf(t: Parameters<typeof cutter>[0], seed: number): Promise<CampaignOptions['trouble']> {
  const kills = number('kills');
  const postgres = values.engine === 'postgres';
  if (!values.every) return killsAtRandom(seed, kills, postgres ? await cutter(t, server.url) : undefined);
  return everyTrouble(
    seed,
    kills,
    postgres ? slowPostgres(server.url) : slowRedis(Number(new URL(server.url).port)),
  );
}
