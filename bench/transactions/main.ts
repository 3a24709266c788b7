/**
 * Calls in transactions: `npm run bench:transactions -- [--transactions 1000] [--rounds 5]`. What an enqueue costs a
 * transaction that has inserted an order: with celeriac on PostgreSQL and through its outbox, with pg-boss and
 * graphile-worker, beside an insert of the same bytes into a table with a primary key. And how long it is from the commit
 * to the start of the task, at rest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Celeriac } from 'celeriac';
import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import PgBoss from 'pg-boss';
import { median } from '../measure/statistics.js';
import { Children } from '../processes/children.js';
import { PostgresServer } from '../processes/postgres.js';
import { RedisServer } from '../processes/redis.js';

const { values: options } = parseArgs({
  options: { transactions: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '5' } },
});
const TRANSACTIONS = Number(options.transactions);
const ROUNDS = Number(options.rounds);
const STARTS = 50;

const children = new Children();
const server = await PostgresServer.start(children);
const redis = await RedisServer.start(children);
await server.flush();
const { url } = server.address;
const pool = new pg.Pool({ connectionString: url });
const client = await pool.connect();
const argument = { order: 'x'.repeat(200), items: [1, 2, 3] };
const body = JSON.stringify({ v: 1, args: [argument] });

await client.query('CREATE TABLE orders (id bigserial PRIMARY KEY, at timestamptz)');
await client.query('CREATE TABLE plain (id text PRIMARY KEY, body jsonb)');
const app = new Celeriac('bench', { broker: url, migrate: true });
const beside = new Celeriac('bench', {
  broker: `redis://${redis.address.host}:${redis.address.port}`,
  outbox: pool,
  migrate: true,
});
await app.migrate();
await beside.outbox.migrate();
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
boss.on('error', console.error);
await boss.start();
await boss.createQueue('ship');
await runMigrations({ connectionString: url });
const send = { executeSql: (text: string, values: unknown[]) => client.query(text, values) };

let made = 0;
const ways: Readonly<Record<string, () => Promise<unknown>>> = {
  'nothing more': async () => undefined,
  'a plain insert': () => client.query('INSERT INTO plain VALUES ($1, $2)', [`row ${made++}`, body]),
  celeriac: () => app.sendTask('ship', [argument], { transaction: client }),
  'celeriac, outbox': () => beside.sendTask('ship', [argument], { transaction: client }),
  'pg-boss send': () => boss.send('ship', argument, { db: send } as never),
  'graphile-worker add_job': () =>
    client.query('SELECT graphile_worker.add_job($1, $2::json)', ['ship', JSON.stringify(argument)]),
};

/** The time of a transaction and the CPU of this process, µs. */
async function measured(enqueue: () => Promise<unknown>, n: number): Promise<[us: number, cpu: number]> {
  const used = process.cpuUsage();
  const from = performance.now();
  for (let i = 0; i < n; i++) {
    await client.query('BEGIN');
    await client.query('INSERT INTO orders (at) VALUES (now())');
    await enqueue();
    await client.query('COMMIT');
  }
  const { user, system } = process.cpuUsage(used);
  return [((performance.now() - from) * 1000) / n, (user + system) / n];
}

try {
  const rounds = new Map<string, [us: number, cpu: number][]>();
  for (const enqueue of Object.values(ways)) await measured(enqueue, TRANSACTIONS / 4);
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, enqueue] of Object.entries(ways))
      rounds.set(name, [...(rounds.get(name) ?? []), await measured(enqueue, TRANSACTIONS)]);
  const plain = rounds.get('a plain insert') ?? [];
  console.log(
    '\na transaction with an insert, and    µs a transaction   ÷ plain insert   CPU of the caller, µs',
  );
  for (const [name, samples] of rounds) {
    const ratio = median(samples.map(([us], i) => us / (plain[i]?.[0] ?? us)));
    const [us, cpu] = [0, 1].map((at) => Math.round(median(samples.map((sample) => sample[at] ?? 0))));
    console.log(
      `${name.padEnd(36)} ${String(us).padStart(14)} ${ratio.toFixed(2).padStart(16)} ${String(cpu).padStart(22)}`,
    );
  }
  for (const [name, shop] of Object.entries({ celeriac: app, 'celeriac, outbox': beside }))
    await starts(name, shop);
} finally {
  client.release();
  await boss.stop({ graceful: false });
  await Promise.all([app.close(), beside.close()]);
  await pool.end();
  await Promise.all([server.stop(), redis.stop()]);
}

/** How long it is from the commit to the start of the task. */
async function starts(name: string, shop: Celeriac): Promise<void> {
  let begun: (at: number) => void = () => undefined;
  const began = shop.task('start', () => begun(performance.now()));
  await shop.worker({ queues: ['starts'], concurrency: 1 }).start();
  const took: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const started = new Promise<number>((resolve) => {
      begun = resolve;
    });
    await client.query('BEGIN');
    await began.applyAsync([], { transaction: client, queue: 'starts' });
    await client.query('COMMIT');
    const committed = performance.now();
    took.push((await started) - committed);
    await sleep(20);
  }
  took.sort((a, b) => a - b);
  const at = (part: number) => (took[Math.floor(took.length * part)] ?? 0).toFixed(1);
  console.log(`${name}: from the commit to the start, ms: p50 ${at(0.5)}, p95 ${at(0.95)}`);
}
