/** What tests of calls in transactions share: a server, an app on it with a worker, and the caller's own table. */

import type { TestContext } from 'node:test';
import { after, before } from 'node:test';
import { Celeriac, type CeleriacOptions, type Worker } from 'celeriac';
import pg from 'pg';
import { uniqueName } from './app.js';
import { type PostgresServer, startPostgres } from './postgres.js';

export interface TransactionGround {
  readonly server: PostgresServer;
  readonly pool: pg.Pool;
}

/** Starts a server with a table `orders` for a suite. The parts are there once its tests run. */
export function transactionGround(): TransactionGround {
  let server: PostgresServer | undefined;
  let pool: pg.Pool | undefined;
  before(async () => {
    server = await startPostgres();
    pool = new pg.Pool({ connectionString: server.url });
    pool.on('error', () => undefined); // a test may end its connections
    await pool.query('CREATE TABLE orders (id text PRIMARY KEY)');
  });
  after(async () => {
    await pool?.end();
    await server?.close();
  });
  const there = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('the server is not up yet: ask inside a test');
    return part;
  };
  return {
    get server() {
      return there(server);
    },
    get pool() {
      return there(pool);
    },
  };
}

/** An app on the server, with a worker if wanted, closed after the test. */
export function shopOn(t: Pick<TestContext, 'after'>, url: string, options: CeleriacOptions = {}) {
  const app = new Celeriac('shop', {
    broker: url,
    prefix: uniqueName(),
    migrate: true,
    publishRetry: '20s',
    ...options,
  });
  t.after(() => app.close());
  const ship = app.task('ship', (order: string) => `shipped ${order}`);
  const worker = async (): Promise<Worker> => {
    const started = app.worker({ concurrency: 10 });
    await started.start();
    return started;
  };
  return { app, ship, worker };
}

/** A client of the pool, in a transaction that is rolled back after the test if it is still open. */
export async function begun(t: Pick<TestContext, 'after'>, pool: pg.Pool): Promise<pg.PoolClient> {
  const client = await pool.connect();
  client.on('error', () => undefined); // a test may end it
  t.after(async () => {
    await client.query('ROLLBACK').catch(() => undefined); // it may be gone
    client.release(true);
  });
  await client.query('BEGIN');
  return client;
}
