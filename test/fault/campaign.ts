/**
 * The long form of `kill-workers.test.ts`, for by hand and for machines with time:
 * `node build/test/fault/campaign.js [--rounds 10] [--tasks 1000] [--kills 40] [--workers 4] [--seed 1]`.
 * Each round has a seed of its own; the exit code is 1 when one found a fault.
 */
import { parseArgs } from 'node:util';
import { killsAtRandom, runCampaign } from '../support/fault-campaign.js';
import { faultPlan } from '../support/fault-plan.js';
import { startRedis } from '../support/redis.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    tasks: { type: 'string', default: '1000' },
    kills: { type: 'string', default: '40' },
    workers: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
  },
});
const number = (name: keyof typeof values) => {
  const n = Number(values[name]);
  if (Number.isInteger(n) && n > 0) return n;
  throw new Error(`--${name} must be a whole number of 1 or more, not ${values[name]}`);
};

const redis = await startRedis();
let faults = 0;
for (let round = 0; round < number('rounds'); round++) {
  faults += await run(number('seed') + round);
}
await redis.close();
process.exitCode = faults === 0 ? 0 : 1;

/** One round; what it started is ended before the next. */
async function run(seed: number): Promise<number> {
  const cleanups: (() => unknown)[] = [];
  try {
    const report = await runCampaign(
      { after: (fn) => void cleanups.push(fn as () => unknown) },
      {
        broker: redis.url,
        tasks: faultPlan(seed, { count: number('tasks'), poison: Math.ceil(number('tasks') / 250) }),
        workers: number('workers'),
        trouble: killsAtRandom(seed, number('kills')),
      },
    );
    console.log(JSON.stringify({ seed, ...report }));
    return report.faults.length;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}
