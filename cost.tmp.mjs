import pg from 'pg';
import { startPostgres } from './build/test/support/postgres.js';
import { Celeriac } from './dist/index.js';
const s = await startPostgres();
const app = new Celeriac('txapp', { broker: s.url, prefix: 'tx_one', migrate: true });
const ship = app.task('ship', async (n) => n + 1);
const pool = new pg.Pool({ connectionString: s.url });
const c = await pool.connect();
await c.query('CREATE TABLE plain (id text primary key, body jsonb)');
await c.query('CREATE TABLE orders (id bigserial primary key, body text)');
const arg = { text: 'x'.repeat(300), n: 1 };
const body = JSON.stringify({ v: 1, args: [arg] });
async function round(n, what) {
  const t = performance.now(); const cpu = process.cpuUsage();
  for (let i = 0; i < n; i++) {
    await c.query('BEGIN'); await c.query('INSERT INTO orders (body) VALUES ($1)', ['o']);
    await what(i);
    await c.query('COMMIT');
  }
  const u = process.cpuUsage(cpu);
  return [(performance.now() - t) / n * 1000, (u.user + u.system) / n];
}
let k = 0;
const works = {
  none: async () => {},
  insert: async () => { await c.query('INSERT INTO plain VALUES ($1, $2)', [`id${k++}`, body]); },
  call: async () => { await ship.applyAsync([arg], { transaction: c }); },
};
const { transactedCall } = await import('./dist/broker/postgres/transaction.js');
for (const w of Object.values(works)) await round(200, w);
for (let r = 0; r < 4; r++) { const o = {}; for (const [n, w] of Object.entries(works)) { const [us, cpu] = await round(400, w); o[n] = `${us.toFixed(0)}us cpu ${cpu.toFixed(0)}`; } console.log(o); }
// only the statement
const t = async (text) => { const t0 = performance.now(); for (let i = 0; i < 400; i++) { await c.query(text(i)); } return ((performance.now() - t0) / 400 * 1000).toFixed(0); };
await c.query('BEGIN'); await c.query('INSERT INTO orders (body) VALUES ($1)', ['o']);
console.log('raw add_job', await t((i) => `SELECT "tx_one".add_job('q','raw${i}','n','${body}'::jsonb,'{}'::jsonb,0,0,1,1,null,null,null,null,null,false) AS id`));
console.log('raw insert', await t((i) => `INSERT INTO plain VALUES ('raw${i}','${body}')`));
await c.query('ROLLBACK');
c.release(); await pool.end(); await app.close(); await s.close();
