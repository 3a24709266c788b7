/**
 * Tasks of twelve steps, three sleeps and two waits, while workers are killed at random and the broker is restarted: each
 * step's value is the one its function gave, no sleep ends early, and all come to their end. A larger form runs with
 * CELERIAC_CAMPAIGN=1.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type AsyncResult, BrokerUnavailableError } from 'celeriac';
import { Redis } from 'ioredis';
import pg from 'pg';
import { openEngine } from '#src/broker/open.js';
import { pause, uniqueName, until } from '../support/app.js';
import { campaignApp } from '../support/campaign-app.js';
import { ledgerFile } from '../support/fault-campaign.js';
import { randomFrom } from '../support/fault-plan.js';
import { postgresBinaries, startPostgres } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';
import { JOURNEY, registerJourney, StepFleet, stepFaults } from '../support/step-campaign.js';

const LONG = process.env.CELERIAC_CAMPAIGN !== undefined;
const {
  tasks: TASKS,
  workers,
  longestMs,
  lockMs,
  kills,
  restarts,
  everyMs,
} = LONG
  ? { tasks: 500, workers: 4, longestMs: 8000, lockMs: 5000, kills: 30, restarts: 4, everyMs: 2000 }
  : { tasks: 30, workers: 2, longestMs: 600, lockMs: 2000, kills: 3, restarts: 1, everyMs: 300 };
const PATIENCE_MS = LONG ? 900_000 : 90_000;

interface Server {
  readonly url: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
  /** How many tasks are to be woken up. */
  awake(prefix: string): Promise<number>;
  /** What is left of steps once their tasks are forgotten, one text each. */
  left(prefix: string): Promise<string[]>;
}

describe('Tasks of steps among deaths', { timeout: PATIENCE_MS * 2 }, () => {
  it('keep what their steps gave and come to their end, on Redis', async (t) => {
    const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await survives(t, {
      ...redis,
      stop: () => redis.stop('SIGKILL'),
      awake: (prefix) => awakeInRedis(redis.url, prefix),
      left: (prefix) => leftInRedis(redis.url, prefix),
    });
  });

  it('keep what their steps gave and come to their end, on PostgreSQL', {
    skip: postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false,
  }, async (t) => {
    const postgres = await startPostgres();
    await survives(t, {
      ...postgres,
      stop: () => postgres.stop('SIGINT'),
      awake: (prefix) => awakeInPostgres(postgres.url, prefix),
      left: (prefix) => leftInPostgres(postgres.url, prefix),
    });
  });
});

async function survives(t: TestContext, server: Server): Promise<void> {
  t.after(() => server.close());
  const place = { broker: server.url, prefix: uniqueName(), lockMs };
  const ledger = ledgerFile(t);
  const app = campaignApp('steps', place, { migrate: true });
  t.after(() => app.close());
  await app.migrate();
  const random = randomFrom(17);
  const began = Date.now();
  const fleet = new StepFleet(t, [place.broker, place.prefix, String(lockMs), ledger, String(longestMs)]);
  await fleet.start(workers);
  const journey = registerJourney(app, ledger, longestMs);
  const results = await app.publish(Array.from({ length: TASKS }, (_, n) => journey.s(n)));
  const sent = results.map(() => new Map<string, string>());
  let over = false;
  let awayMs = 0;
  const [ends] = await Promise.all([
    Promise.all(results.map((result) => endOf(result))).finally(() => {
      over = true;
    }),
    ...results.map((result, i) => answer(result, sent[i] ?? new Map(), random)),
    trouble(fleet, server, random, () => over).then((longest) => {
      awayMs = longest;
    }),
  ]);
  const tookMs = Date.now() - began;
  await until(
    async () =>
      (await app.queues.list()).every(({ waiting, active, delayed }) => waiting + active + delayed === 0),
    'empty queues',
    30_000,
  );
  // A look at the wake-ups finds those that a dead process has left.
  await until(async () => (await server.awake(place.prefix)) === 0, 'no wake-ups', 30_000);
  await fleet.stop();
  // Locks that were not renewed for so long may be lost: then their tasks are run by others as well.
  const lost = awayMs > lockMs / 3 ? undefined : fleet.killed;
  const { faults, again } = stepFaults(ledger, ends, sent, lost);
  for (const result of results) await result.forget();
  const left = await server.left(place.prefix);
  t.diagnostic(
    JSON.stringify({
      tasks: TASKS,
      killed: fleet.killed.size,
      restarts,
      awayMs: Math.round(awayMs),
      again,
      faults: faults.length,
      left: left.length,
      tookMs,
    }),
  );
  assert.deepEqual([...faults, ...fleet.crashes, ...left], []);
}

/** Kills and restarts, spread over the time that the tasks take. @returns the longest time without the broker, ms */
async function trouble(
  fleet: StepFleet,
  server: Server,
  random: () => number,
  over: () => boolean,
): Promise<number> {
  let awayMs = 0;
  const restartAfter = Math.ceil(kills / (restarts + 1));
  for (let n = 1; n <= kills && !over(); n++) {
    await pause(everyMs * (0.5 + random()));
    fleet.kill(random());
    if (n % restartAfter !== 0 || n / restartAfter > restarts) continue;
    const from = performance.now();
    await server.stop();
    await server.start();
    awayMs = Math.max(awayMs, performance.now() - from);
  }
  return awayMs;
}

/** Sends what a task waits for, at some time: also before it has begun, or when it has waited for long. */
async function answer(
  result: AsyncResult<string[]>,
  sent: Map<string, string>,
  random: () => number,
): Promise<void> {
  for (const name of JOURNEY.filter((op) => op.startsWith('?'))) {
    await pause(random() * longestMs);
    const value = `${name} ${random()}`;
    sent.set(name, value);
    for (let tries = 1; ; tries++) {
      try {
        const { accepted, why } = await result.send(name, value);
        // A try whose answer was lost may have been the one.
        assert.ok(
          accepted || (tries > 1 && /was sent before/.test(why ?? '')),
          `${result.id} ${name}: ${why}`,
        );
        break;
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
        await pause(100);
      }
    }
  }
}

async function endOf(result: AsyncResult<string[]>) {
  const values = await result.get({ timeout: PATIENCE_MS });
  const { steps, state } = await result.snapshot();
  assert.equal(state, 'SUCCESS');
  const sleeps = steps.flatMap(({ name, kind, doneAt }) =>
    kind === 'sleep' && doneAt !== undefined ? [[name, doneAt.getTime()] as const] : [],
  );
  return { values, sleeps: new Map(sleeps) };
}

async function awakeInRedis(url: string, prefix: string): Promise<number> {
  const client = new Redis(url);
  const found = await client.zcard(`${prefix}:~k`);
  client.disconnect();
  return found;
}

async function awakeInPostgres(url: string, prefix: string): Promise<number> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path="${prefix}"` });
  await client.connect();
  try {
    return (await client.query('SELECT id FROM celeriac_wake')).rows.length;
  } finally {
    await client.end();
  }
}

async function leftInRedis(url: string, prefix: string): Promise<string[]> {
  // What the janitor does every minute.
  const options = {
    prefix,
    connectTimeoutMs: 20_000,
    migrate: false,
    onTrouble: () => {},
    onRecovered: () => {},
  };
  const engine = openEngine(url, options);
  while (await engine.reclaim(500));
  await engine.close();
  const client = new Redis(url);
  const keys = await client.keys(`${prefix}:*`);
  client.disconnect();
  // BullMQ's own of a queue, and the list of queues.
  // The bus of remote control keeps those of a killed worker until their lease ends.
  return keys.filter((key) => !/:relay:|:(?:~q|meta|events|marker|id|stalled-check|pc)$/.test(key));
}

async function leftInPostgres(url: string, prefix: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path="${prefix}"` });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT 'job ' || id AS what FROM job UNION ALL SELECT 'wake ' || id FROM celeriac_wake UNION ALL
       SELECT 'step ' || s.id FROM celeriac_step s JOIN job j ON j.queue = s.queue AND j.id = s.id`,
    );
    return rows.map(({ what }) => String(what));
  } finally {
    await client.end();
  }
}
