/**
 * A caller of transactions: `outbox-caller.js BROKER PREFIX DATABASE FIRST COUNT SEED`. Each writes its number into the
 * table `ledger` and calls a task with it; about half are rolled back, at any point. Says how far it came. Faults of the
 * database end a transaction, and the next is tried.
 */
import { Celeriac } from 'celeriac';
import pg from 'pg';

const [broker = '', prefix = '', outbox = '', first = '', count = '', seed = ''] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: outbox, max: 4 });
pool.on('error', () => undefined);
const app = new Celeriac('test', { broker, prefix, outbox, logger: quiet() });
const note = app.tasks<{ note(n: number): void }>()({ note: 'note' }).note;
let state = Number(seed) || 1;
let next = Number(first);
const end = next + Number(count);

await Promise.all(Array.from({ length: 4 }, () => work()));
process.send?.({ at: end });
await app.close();
await pool.end();
process.disconnect?.();

async function work(): Promise<void> {
  while (next < end) {
    const n = next++;
    if (n % 50 === 0) process.send?.({ at: n });
    await transaction(n).catch(() => pause(20));
  }
}

async function transaction(n: number): Promise<void> {
  const client = await pool.connect();
  client.on('error', () => undefined);
  // 0 to 9: commit; 10 to 13: rolled back before, between and behind the two writes, or with the connection.
  const fate = random(20);
  let broken = true;
  try {
    await client.query('BEGIN');
    if (fate === 10) return;
    if (n % 2 === 0) await client.query('INSERT INTO ledger VALUES ($1)', [n]);
    if (fate === 11) return;
    await note.applyAsync([n], { transaction: client, ignoreResult: true });
    if (fate === 12) return;
    if (n % 2 === 1) await client.query('INSERT INTO ledger VALUES ($1)', [n]);
    if (fate >= 13) {
      await client.query('ROLLBACK');
      broken = false;
      return;
    }
    await client.query('COMMIT');
    broken = false;
  } finally {
    client.release(broken);
  }
}

function random(below: number): number {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function quiet() {
  const nothing = () => undefined;
  return { debug: nothing, info: nothing, warn: nothing, error: nothing };
}
