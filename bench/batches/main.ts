/**
 * Batches: `npm run bench:batches -- [--rows 10000] [--size 500] [--rounds 3]`. A backlog of calls that each write one row
 * to a table in PostgreSQL, every commit on disk, is drained by one worker: by a task that inserts its row, and by one whose
 * batches insert many with one statement. Redis is the broker. Throughput in calls a second, with one slot and with ten.
 */
import { parseArgs } from 'node:util';
import { Celeriac, type TaskHandle } from 'celeriac';
import pg from 'pg';
import { median } from '../measure/statistics.js';
import { Children } from '../processes/children.js';
import { PostgresServer } from '../processes/postgres.js';
import { RedisServer } from '../processes/redis.js';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000' },
    size: { type: 'string', default: '500' },
    rounds: { type: 'string', default: '3' },
  },
});
const ROWS = Number(options.rows);
const SIZE = Number(options.size);
const ROUNDS = Number(options.rounds);

const children = new Children();
const database = await PostgresServer.start(children);
const redis = await RedisServer.start(children);
await database.flush();
const pool = new pg.Pool({ connectionString: database.address.url, max: 10 });
await pool.query(
  'CREATE TABLE docs (id bigint PRIMARY KEY, title text NOT NULL, at timestamptz DEFAULT now())',
);

interface Doc {
  id: number;
  title: string;
}

const app = new Celeriac('bench', {
  broker: `redis://${redis.address.host}:${redis.address.port}`,
  logger: { debug() {}, info() {}, warn: console.warn, error: console.error },
});
let rows = 0;
let done: () => void = () => undefined;
let wanted = 0;
const written = (count: number) => {
  rows += count;
  if (rows >= wanted) done();
};
const single = app.task('single', { queue: 'single' }, async ({ id, title }: Doc) => {
  await pool.query('INSERT INTO docs (id, title) VALUES ($1, $2)', [id, title]);
  written(1);
  return id;
});
const batched = app.task(
  'batched',
  { queue: 'batched', batch: { size: SIZE, wait: '100ms' } },
  async (docs: Doc[]) => {
    const ids = docs.map(({ id }) => id);
    const titles = docs.map(({ title }) => title);
    await pool.query('INSERT INTO docs (id, title) SELECT * FROM unnest($1::bigint[], $2::text[])', [
      ids,
      titles,
    ]);
    written(docs.length);
    return ids;
  },
);

/** Calls a second while `count` calls are drained. */
async function drained(task: TaskHandle<[Doc], number>, count: number, concurrency: number): Promise<number> {
  await pool.query('TRUNCATE docs');
  for (let from = 0; from < count; from += 1000) {
    const some = Array.from({ length: Math.min(1000, count - from) }, (_, i) => ({
      id: from + i,
      title: `title ${i}`,
    }));
    await app.publish(some.map((doc) => task.s(doc)));
  }
  rows = 0;
  wanted = count;
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const worker = app.worker({ queues: [task.name], concurrency });
  const began = performance.now();
  await worker.start();
  await all;
  // Until the last outcome is written.
  await worker.stop();
  const seconds = (performance.now() - began) / 1000;
  const { rows: found } = await pool.query<{ n: string }>('SELECT count(*) AS n FROM docs');
  if (Number(found[0]?.n) !== count) throw new Error(`${found[0]?.n} rows of ${count}`);
  return count / seconds;
}

try {
  await drained(single, 500, 10);
  await drained(batched, 2000, 10);
  for (const concurrency of [1, 10]) {
    const rounds: [number, number][] = [];
    for (let round = 0; round < ROUNDS; round++)
      rounds.push([await drained(single, ROWS / 5, concurrency), await drained(batched, ROWS, concurrency)]);
    const [alone, together] = [0, 1].map((at) => median(rounds.map((pair) => pair[at] ?? 0)));
    const ratio = median(rounds.map(([a, b]) => b / a));
    console.log(
      `${concurrency} slot(s): ${Math.round(alone ?? 0)} calls/s by row, ${Math.round(together ?? 0)} in batches of ${SIZE}: ${ratio.toFixed(1)} times`,
    );
  }
} finally {
  await app.close();
  await pool.end();
  await Promise.all([database.stop(), redis.stop()]);
}
