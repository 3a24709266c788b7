/** PostgreSQL goes away, freezes or refuses: how fast calls fail, what they say, and that everything returns by itself. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'bullmq';
import pg from 'pg';
import type { Engine, EngineConfig } from '#src/broker/broker.js';
import { openPostgres } from '#src/broker/postgres/server.js';
import { Celeriac, isCeleriacError } from '#src/index.js';
import { type PostgresServer, postgresBinaries, startPostgres } from '../support/postgres.js';
import { freePort } from '../support/servers.js';

const skip = postgresBinaries() === undefined ? 'PostgreSQL is not installed' : false;

describe('PostgreSQL troubles', { skip, timeout: 290_000 }, () => {
  let server: PostgresServer;
  const opened: Engine[] = [];
  const troubles: string[] = [];
  const open = (url: string, overrides: Partial<EngineConfig> = {}) => {
    const engine = openPostgres(configOf(troubles, overrides), { url });
    opened.push(engine);
    engine.hold();
    return engine;
  };
  before(async () => {
    server = await startPostgres();
  });
  after(async () => {
    await Promise.all(opened.map((engine) => engine.close()));
    await server.close();
  });

  it('says what to do about a schema that is not migrated', async () => {
    const engine = open(server.url, { migrate: false });
    await assert.rejects(engine.ready(), /is not migrated.*celeriac migrate.*migrate: true/);
    await engine.migrate();
    await engine.ready();
  });

  it('tells a wrong password at once, without showing it', async () => {
    const engine = open(server.url.replace('secret', 'hunter2'));
    await assert.rejects(engine.ready(), (error: Error) => {
      assert.ok(isCeleriacError(error, 'BROKER'));
      assert.match(error.message, /refused the login/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });

  it('fails at once where nobody listens', async () => {
    const engine = open(`postgres://u:secret@127.0.0.1:${await freePort()}/x`);
    const startedAt = performance.now();
    await assert.rejects(engine.ready(), isAway);
    assert.ok(performance.now() - startedAt < 1_500);
  });

  it("checks the search_path of a caller's pool, uses it, and leaves it open", async () => {
    const wrong = new pg.Pool({ connectionString: server.url });
    const refusing = openPostgres(configOf(troubles), { pool: wrong });
    await assert.rejects(refusing.ready(), /search_path.*-c search_path=/);
    await refusing.close();
    await wrong.end();
    const prefix = `p_${randomUUID().replaceAll('-', '')}`;
    const pool = new pg.Pool({ connectionString: server.url, options: `-c search_path=${prefix}` });
    const engine = openPostgres(configOf(troubles, { prefix }), { pool });
    assert.equal(await engine.records.create('k', 'v'), true);
    assert.doesNotMatch(engine.address, /secret/);
    await engine.close();
    assert.equal((await pool.query('SELECT 1 AS one')).rows[0].one, 1);
    await pool.end();
  });

  it('gives up on a frozen server within about a second, and goes on when it thaws', async () => {
    const engine = open(server.url);
    await engine.records.create('k', 'v');
    server.freeze();
    try {
      const startedAt = performance.now();
      const reads = Array.from({ length: 50 }, () => engine.records.read(['k']));
      const results = await Promise.allSettled(reads);
      assert.ok(results.every((result) => result.status === 'rejected'));
      assert.ok(performance.now() - startedAt < 2_000);
    } finally {
      server.thaw();
    }
    assert.equal((await engine.records.read(['k']))[0]?.value, 'v');
  });

  it('sends again what the server cancelled: nothing of it was done', async () => {
    const engine = open(server.url, { prefix: 'cancelled', connectTimeoutMs: 20_000 });
    await engine.records.create('k', 'v');
    // A transaction sees who waits as it was at its first look: who cancels has a connection of its own.
    const [admin, canceller] = [server.url, server.url].map(
      (url) => new pg.Client({ connectionString: url }),
    );
    assert(admin !== undefined && canceller !== undefined);
    await Promise.all([admin.connect(), canceller.connect()]);
    await admin.query(`BEGIN; SELECT * FROM "cancelled".celeriac_record FOR UPDATE`);
    const replaced = engine.records.replace('k', 1, 'w');
    let cancelled = 0;
    while (cancelled < 2) {
      const { rows } = await canceller.query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
          WHERE query ILIKE '%UPDATE celeriac_record%' AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()`,
      );
      cancelled += rows.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await admin.query('COMMIT');
    assert.equal(await replaced, true);
    assert.equal((await engine.records.read(['k']))[0]?.value, 'w');
    await Promise.all([admin.end(), canceller.end()]);
  });

  it('tries again what passes: a call, a wait, and a worker that starts, each at its first connection', async (t) => {
    const prefix = `p_${randomUUID().replaceAll('-', '')}`;
    const pools: pg.Pool[] = [];
    const appWith = (refusals: string[], answers: string[]) => {
      const pool = new PassingPool(server.url, prefix, refusals, answers);
      const app = new Celeriac('passing', { broker: pool, prefix, migrate: true, logger: SILENT });
      pools.push(pool);
      t.after(() => app.close());
      return { app, pool, task: app.task('task', () => 'done') };
    };
    const caller = appWith(['53300', '57P03', '53300'], []);
    const { id } = await caller.task.delay();
    caller.pool.answers.push('40001', '25006', '53200', '57014');
    const other = await caller.task.delay();
    const waiter = appWith(['53300', '53300'], ['40001', '25006', '53100']);
    const waits = [waiter.app.result(id).get({ timeout: '60s' }), waiter.app.result(other.id).get()];
    const { app } = appWith(['53300', '57P03'], ['40001']);
    await app.worker().start();
    assert.deepEqual(await Promise.all(waits), ['done', 'done']);
    const full = appWith(Array<string>(10_000).fill('53300'), []);
    await assert.rejects(full.app.worker().start(), isAway);
    await assert.rejects(full.task.delay(), isAway);
    await Promise.all([caller.app, waiter.app, app, full.app].map((each) => each.close()));
    await Promise.all(pools.map((pool) => pool.end()));
  });

  it('finds everything again after a restart: calls, waits and workers', async () => {
    const engine = open(server.url);
    const { connection, factory } = engine.bullmq();
    const ran = new Set<string>();
    const worker = new Worker(
      'q',
      async ({ id }) => void ran.add(id ?? ''),
      { connection, runRetryDelay: 200 } as never,
      factory as never,
    );
    worker.on('error', () => undefined);
    let gaps = 0;
    let heard = 0;
    engine.signals.onGap(() => gaps++);
    await engine.signals.subscribe('t', () => heard++);
    await add(engine, 'before');
    await until(() => ran.has('before'));
    troubles.length = 0;
    await server.stop('SIGINT');
    await assert.rejects(engine.records.read(['k']), (error: unknown) =>
      isCeleriacError(error, 'BROKER_UNAVAILABLE'),
    );
    await assert.rejects(add(engine, 'during'), (error: unknown) => engine.isUnavailable(error));
    await server.start();
    await until(() => gaps > 0);
    engine.signals.notify('t');
    await until(() => heard > 0);
    await add(engine, 'after');
    await until(() => ran.has('after'));
    assert.deepEqual([...ran].sort(), ['after', 'before']);
    assert.equal(
      troubles.filter((message) => message.includes(`${server.port}`)).length <= opened.length,
      true,
    );
    await worker.close();
  });

  it('loses only the statement whose own connection was ended', async () => {
    const engine = open(server.url);
    await engine.ready();
    const backend = await engine.backend('q');
    const others = Array.from({ length: 200 }, () => engine.records.read(['k']));
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = '' AND backend_type = 'client backend' LIMIT 1",
    );
    await client.end();
    const failed = (await Promise.allSettled(others)).filter((result) => result.status === 'rejected').length;
    assert.ok(failed <= 1, `${failed} reads failed`);
    assert.equal(typeof (await backend.getCounts(['waiting'])), 'object');
  });

  it('uses one listening connection for many workers', async () => {
    const engine = open(server.url);
    const { connection, factory } = engine.bullmq();
    const workers = Array.from({ length: 12 }, (_, i) => {
      const worker = new Worker(`q${i}`, async () => undefined, { connection } as never, factory as never);
      worker.on('error', () => undefined);
      return worker;
    });
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    await engine.signals.subscribe('t', () => undefined);
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    const { rows } = await client.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND query NOT LIKE '%stat%'",
    );
    await client.end();
    await Promise.all(workers.map((worker) => worker.close()));
    assert.ok(rows[0].n <= opened.length);
    assert.ok(rows[0].n >= 1);
  });
});

const SILENT = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A pool that is turned away so often, and whose first statements get these answers. */
class PassingPool extends pg.Pool {
  readonly #wrapped = new WeakSet<pg.PoolClient>();

  constructor(
    url: string,
    schema: string,
    readonly refusals: string[],
    readonly answers: string[],
  ) {
    super({ connectionString: url, options: `-c search_path=${schema}` });
  }

  override async connect(): Promise<never> {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw Object.assign(new Error(`refused with ${refusal}`), { code: refusal });
    const client = await super.connect();
    if (!this.#wrapped.has(client)) {
      this.#wrapped.add(client);
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      const answering = (...args: unknown[]): Promise<unknown> => {
        const code = this.answers.shift();
        if (code === undefined) return query(...args);
        return Promise.reject(Object.assign(new Error(`failed with ${code}`), { code }));
      };
      Object.assign(client, { query: answering });
    }
    return client as never;
  }
}

const isAway = (error: unknown) => isCeleriacError(error, 'BROKER_UNAVAILABLE');

function configOf(troubles: string[], overrides: Partial<EngineConfig> = {}): EngineConfig {
  return {
    prefix: `p-${randomUUID()}`,
    connectTimeoutMs: 1_000,
    migrate: true,
    onTrouble: (message) => troubles.push(message),
    onRecovered: () => {},
    ...overrides,
  };
}

async function add(engine: Engine, id: string): Promise<void> {
  const backend = await engine.backend('q');
  const nothing = {
    opts: {},
    progress: {},
    attemptsMade: 0,
    attemptsStarted: 0,
    failedReason: '',
    returnvalue: '',
  };
  const job = { ...nothing, id, name: 'n', data: '{}', timestamp: Date.now(), stalledCounter: 0 };
  await backend.addJob(job, id, {});
}

async function until(check: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  while (!check()) {
    if (Date.now() > giveUpAt) throw new Error('it did not become true within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
