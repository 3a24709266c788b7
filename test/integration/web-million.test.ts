/**
 * The page over a queue of very many finished tasks: the first page and the next ones, and no command that keeps the broker
 * busy for long. A million of them with CELERIAC_CAMPAIGN=1, which also holds the times; else some thousands, of which
 * only the work is checked.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { web } from 'celeriac/web';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { QueueList, RunList } from '#src/web/api.js';
import { onEveryEngine } from '../support/app.js';
import { read } from '../support/web.js';

const CAMPAIGN = process.env.CELERIAC_CAMPAIGN !== undefined;
const COUNT = CAMPAIGN ? 1_000_000 : 5_000;
const BEGUN = 1_700_000_000_000;
const SCREENS = ['overview', 'tasks', 'runs', 'workers', 'queues', 'schedules', 'failed', 'limits'];
/** What is asked while the broker is watched. */
const QUERIES = [
  'runs?limit=50',
  'runs?limit=200&sort=oldest',
  'runs?state=SUCCESS',
  'runs?state=FAILURE,REVOKED',
  'runs?state=PENDING',
  'runs?name=nobody*',
  'runs?text=%22n%22%3A4999%7D',
  'runs?id=none',
  'runs?queue=celeriac&worker=nobody',
];

/** Finished jobs as BullMQ leaves them, written by the broker itself. */
async function seedRedis(url: string, prefix: string): Promise<void> {
  const client = new Redis(url);
  const script = `
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local id, at = 'own-' .. i, ${BEGUN} + math.floor(i / 3)
  redis.call('HSET', KEYS[1] .. id, 'name', 'add', 'data', '{"v":1,"args":[{"n":' .. i .. '}]}', 'opts', '{}', 'timestamp', at - 50,
    'processedOn', at - 20, 'finishedOn', at, 'atm', 1, 'ats', 1, 'pb', 'one@here', 'returnvalue', i)
  redis.call('ZADD', KEYS[1] .. 'completed', at, id)
end`;
  for (let from = 0; from < COUNT; from += 5_000)
    await client.eval(script, 1, `${prefix}:celeriac:`, from, Math.min(COUNT, from + 5_000) - 1);
  client.disconnect();
}

async function seedPostgres(url: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    `INSERT INTO "${prefix}".job (queue, id, seq, name, state, data, attempts_made, attempts_started, processed_by,
       added_at_ms, processed_at_ms, finished_at_ms, return_value)
     SELECT 'celeriac', 'own-' || i, i, 'add', 'completed', jsonb_build_object('v', 1, 'args', jsonb_build_array(jsonb_build_object('n', i))),
            1, 1, 'one@here', ${BEGUN} + i / 3 - 50, ${BEGUN} + i / 3 - 20, ${BEGUN} + i / 3, to_jsonb(i)
       FROM generate_series(0, ${COUNT} - 1) AS i`,
  );
  await client.query(`ANALYZE "${prefix}".job`);
  await client.end();
}

describe(`The page over ${COUNT} finished tasks`, () => {
  onEveryEngine(
    (ground) => {
      it('shows the first page at once, and keeps the broker busy for moments only', async (t) => {
        const { app, prefix } = ground.app(t);
        const page = web(app);
        t.after(() => page.close());
        await app.queues.get('celeriac');
        await app.sendTask('add');
        await (ground.engine === 'redis' ? seedRedis : seedPostgres)(ground.url, prefix);
        const slow = ground.engine === 'redis' ? await watched(ground.url) : undefined;
        const times: string[] = [];
        const timed = async <R>(what: string, ask: () => Promise<R>): Promise<R> => {
          const begun = performance.now();
          const answer = await ask();
          const took = performance.now() - begun;
          times.push(`${what} ${took.toFixed(0)} ms`);
          if (CAMPAIGN && what === 'first page') assert(took < 300, times.join(', '));
          return answer;
        };
        const first = await timed('first page', () => read<RunList>(page, 'runs'));
        assert.equal(first.runs.length, 50);
        assert(first.looked <= 50);
        assert.equal(first.runs[1]?.id, `own-${COUNT - 1}`);
        for (const query of QUERIES) {
          const list = await timed(query, () => read<RunList>(page, query));
          assert(list.looked <= 2_000, `${query}: ${list.looked}`);
          if (list.next !== null)
            await timed(`${query} again`, () => read<RunList>(page, `${query}&cursor=${list.next}`));
        }
        const { queues } = await read<QueueList>(page, 'queues');
        assert.deepEqual([queues[0]?.finished, queues[0]?.waiting], [COUNT, 1]);
        for (const screen of SCREENS) await timed(screen, () => read(page, screen));
        if (CAMPAIGN) t.diagnostic(times.join(', '));
        // PostgreSQL counts the rows of a queue, which takes it longer; the guide says so.
        if (CAMPAIGN && slow !== undefined) assert.deepEqual(await slow(), []);
      });
    },
    ['redis', 'postgres'],
  );
});

/** What the broker was busy with for more than 20 ms since. */
async function watched(url: string): Promise<() => Promise<string[]>> {
  const client = new Redis(url);
  await client.config('SET', 'slowlog-log-slower-than', 20_000);
  await client.slowlog('RESET');
  client.disconnect();
  return async () => {
    const again = new Redis(url);
    const entries = (await again.slowlog('GET', 100)) as [number, number, number, string[]][];
    again.disconnect();
    return entries.map(
      ([, , micros, words]) => `${words.slice(0, 2).join(' ').slice(0, 60)} ${micros / 1000} ms`,
    );
  };
}
