/** Relays of an outbox: several at once, behind PgBouncer, through outages, and what monitoring sees of them. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Celeriac } from 'celeriac';
import pg from 'pg';
import { Counter, testApp, until } from '../support/app.js';
import { pgbouncerBinary, startPgbouncer } from '../support/pgbouncer.js';
import { cutter, type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const skip = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

describe('Relays of an outbox', { skip, timeout: 120_000 }, () => {
  let server: PostgresServer;
  let redis: RedisServer;
  let users: pg.Pool;

  before(async () => {
    [server, redis] = await Promise.all([startPostgres(), startRedis()]);
    users = new pg.Pool({ connectionString: server.url });
    users.on('error', () => undefined);
  });
  after(async () => {
    await users.end();
    await Promise.all([server.close(), redis.close()]);
  });

  function opened(t: TestContext, outbox: string | object = server.url) {
    const made = testApp(t, { broker: redis.url, outbox });
    const ran = new Counter();
    const note = made.app.task('note', () => void ran.add());
    const call = async (count: number) => {
      // Not of the pool, whose connections may have been cut.
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      await client.query('BEGIN');
      for (let n = 0; n < count; n++) await note.applyAsync([], { transaction: client });
      await client.query('COMMIT');
      await client.end();
    };
    return { ...made, note, ran, call };
  }

  it('divide the work, and none waits for another', async (t) => {
    const { app, twin, call, prefix } = opened(t);
    await app.outbox.migrate();
    await call(20);
    // A relay that holds the first ten rows for as long as it likes.
    const held = await users.connect();
    await held.query('BEGIN');
    await held.query(
      'SELECT id FROM celeriac_outbox WHERE state = 0 AND app = $1 ORDER BY id LIMIT 10 FOR UPDATE',
      [prefix],
    );
    const others = await Promise.all([app, twin(), twin()].map((each) => each.outbox.drain()));
    assert.equal(
      others.reduce((sum, count) => sum + count, 0),
      10,
    );
    assert.equal((await app.outbox.counts()).waiting, 10);
    await held.query('ROLLBACK');
    held.release();
    assert.equal(await app.outbox.drain(), 10);
    assert.equal((await app.queues.list())[0]?.waiting, 20);
  });

  it('work behind PgBouncer in transaction mode, which passes no notices on', {
    skip: pgbouncerBinary() === undefined ? 'PgBouncer is not installed' : false,
  }, async (t) => {
    const url = await startPgbouncer(t, server, 'transaction');
    const { app, call, worker, ran } = opened(t, url);
    await app.outbox.migrate();
    await worker();
    for (let n = 1; n <= 3; n++) {
      await call(5);
      await ran.reached(n * 5);
    }
    await app.close();
  });

  it("use the caller's own pool, which stays open", async (t) => {
    const pool = new pg.Pool({ connectionString: server.url, max: 2 });
    t.after(() => pool.end());
    const { app, call, worker, ran } = opened(t, pool);
    await app.outbox.migrate();
    await worker();
    await call(5);
    await ran.reached(5);
    await app.close();
    assert.equal((await pool.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  it('begin before the database is there, and go on after it was away', async (t) => {
    const cut = await cutter(t, server.url);
    const { app, call, worker, ran, lines } = opened(t);
    // The table is not there for a search path of nowhere.
    const lost = testApp(t, { broker: redis.url, outbox: server.url.replace(/\/postgres$/, '/none') });
    const relay = await lost.app.outbox.relay();
    await until(() => lost.lines.some(({ message }) => message.includes('cannot be relayed now')), 'a line');
    await relay.stop();
    await app.outbox.migrate();
    await worker();
    for (let n = 1; n <= 2; n++) {
      await call(3);
      await ran.reached(n * 3);
      await cut();
    }
    await call(3);
    await ran.reached(9);
    assert.deepEqual(
      lines.filter(({ message }) => message.includes('set aside')),
      [],
    );
  });

  it('take calls while the broker is away, and send them afterwards', async (t) => {
    const own = await startRedis();
    t.after(() => own.close());
    const { app, twin } = testApp(t, { broker: own.url, outbox: server.url, publishRetry: '200ms' });
    await app.outbox.migrate();
    await own.stop();
    const note = app.task('note', () => undefined);
    const client = await users.connect();
    await client.query('BEGIN');
    const plain = await note.applyAsync([], { transaction: client });
    const named = await note.applyAsync([], {
      transaction: client,
      taskId: 'mine',
      unique: { mode: 'reject' },
    });
    await client.query('COMMIT');
    client.release();
    assert.equal((await app.outbox.counts()).waiting, 2);
    const relay = await app.outbox.relay();
    await own.start();
    await until(async () => (await app.outbox.counts()).waiting === 0, 'an empty outbox');
    await relay.stop();
    const reader = twin({ publishRetry: '20s' });
    for (const { id } of [plain, named]) assert.equal((await reader.result(id).snapshot()).known, true);
  });

  it('are seen by the doctor and in the metrics', async (t) => {
    const { app, call, prefix, worker: start } = opened(t);
    await users.query('DROP TABLE IF EXISTS celeriac_outbox');
    assert.deepEqual(await outboxFindings(app), [
      ['problem', `there is no table celeriac_outbox at ${addressOf(server)}`],
    ]);
    await app.outbox.migrate();
    assert.deepEqual(await outboxFindings(app), [['ok', 'nothing waits']]);
    await users.query(
      "INSERT INTO celeriac_outbox (app, key, format, calls, created_at) VALUES ($1, 'a', 1, '?', now()), " +
        "($1, 'b', 9, '?', now() - interval '5 minutes')",
      [prefix],
    );
    await call(1);
    const worker = await start({ health: { port: 0 } });
    await until(async () => (await app.outbox.counts()).setAside === 1, 'the row set aside');
    await until(async () => (await app.outbox.counts()).waiting === 1, 'the row that is relayed');
    const [backlog, aside] = await outboxFindings(app);
    assert.match(`${backlog}`, /^warning,1 waiting, the oldest for 30\d s$/);
    assert.deepEqual(aside, ['problem', '1 could not be sent and was set aside']);
    const metrics = await (await fetch(`http://127.0.0.1:${worker.healthPort}/metrics`)).text();
    assert.match(metrics, /^celeriac_outbox_waiting 1$/m);
    assert.match(metrics, /^celeriac_outbox_set_aside 1$/m);
    assert.match(metrics, /^celeriac_outbox_oldest_waiting_seconds 30\d/m);
  });

  it('make the table once, also when many do so at the same time, while it is used', async (t) => {
    const { app, twin, call, ran, worker } = opened(t);
    await app.outbox.migrate();
    await worker();
    const others = [twin(), twin(), twin()];
    await Promise.all([call(10), ...others.map((each) => each.outbox.migrate())]);
    await ran.reached(10);
  });
});

async function outboxFindings(app: Celeriac) {
  const { findings } = await app.doctor();
  return findings.filter(({ check }) => check === 'outbox').map(({ severity, found }) => [severity, found]);
}

function addressOf(server: PostgresServer): string {
  return `postgres://127.0.0.1:${server.port}/postgres`;
}
