/** What goes wrong in a fault campaign: spread over the whole of it, by a seed. */
import { Redis } from 'ioredis';
import pg from 'pg';
import { pause } from './app.js';
import type { CampaignOptions, RunningCampaign } from './fault-campaign.js';
import { randomFrom } from './fault-plan.js';
import { LOCK_MS } from './fault-tasks.js';

type Trouble = CampaignOptions['trouble'];

/**
 * Kills spread over the whole campaign: each when so much has begun, and a random moment later.
 * @param cut breaks every connection, in place of about every other kill
 */
export function killsAtRandom(
  seed: number,
  kills: number,
  cut?: () => Promise<unknown>,
): CampaignOptions['trouble'] {
  const random = randomFrom(seed);
  return async ({ fleet, reached }) => {
    for (let n = 1; n <= kills; n++) {
      await reached(n / (kills + 1));
      await pause(random() * 150);
      if (cut !== undefined && random() < 0.5) await cut();
      else fleet.kill(random());
    }
  };
}

/** Makes the broker slow for about so long. */
export type Slowness = (campaign: RunningCampaign, ms: number, random: () => number) => Promise<void>;

/** One after the other: a worker is killed, one worker alone is cut off, the broker is slow. */
export function everyTrouble(seed: number, rounds: number, slow: Slowness): Trouble {
  const random = randomFrom(seed);
  return async (campaign) => {
    const { fleet, reached } = campaign;
    for (let round = 0; round < rounds; round++) {
      const share = (step: number) => (round + step / 4) / rounds;
      await reached(share(1));
      fleet.kill(random());
      await reached(share(2));
      await fleet.part(LOCK_MS * (1.5 + 2 * random()));
      await reached(share(3));
      await slow(campaign, LOCK_MS * (0.5 + 2 * random()), random);
    }
  };
}

/** Redis answers nobody, or nobody who writes; it takes what is sent meanwhile. */
export function slowRedis(port: number): Slowness {
  return async ({ away }, ms, random) => {
    const client = new Redis(port, '127.0.0.1');
    const from = Date.now();
    await client.call('CLIENT', 'PAUSE', String(Math.ceil(ms)), random() < 0.5 ? 'ALL' : 'WRITE');
    client.disconnect();
    await pause(ms);
    away.push({ from, to: Date.now() });
  };
}

/** PostgreSQL holds up each write to a job, or some of them for long. */
export function slowPostgres(url: string): Slowness {
  return async ({ away, prefix }, ms, random) => {
    const client = new pg.Client({ connectionString: url, options: `-c search_path="${prefix}"` });
    await client.connect();
    const from = Date.now();
    try {
      if (random() < 0.5) {
        await client.query('BEGIN');
        await client.query('LOCK TABLE job IN ACCESS EXCLUSIVE MODE');
        await pause(ms);
        await client.query('COMMIT');
      } else {
        await client.query(SLEEPING);
        await pause(ms);
        await client.query('DROP TRIGGER slow ON job');
      }
    } finally {
      await client.end();
    }
    away.push({ from, to: Date.now() });
  };
}

/** A twentieth of the writes takes up to twice as long as a lock lasts. */
const SLEEPING = `
CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(CASE WHEN random() < 0.05 THEN random() * ${(2 * LOCK_MS) / 1000} ELSE 0.01 END);
  RETURN NEW;
END $$;
CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON job FOR EACH ROW EXECUTE FUNCTION slow()`;
