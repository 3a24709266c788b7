/** The transactions of drivers and query builders, by the methods that we use: postgres.js, Drizzle, Kysely, Knex. */
import type { Transaction } from '../options/transaction.js';
import { checkMethods, inside, rowsOf, transactionOf } from './link.js';

/** The `sql` that postgres.js passes to the function given to `sql.begin`. */
export interface PostgresJsTransaction {
  unsafe(query: string): PromiseLike<readonly unknown[]>;
  savepoint(work: never): unknown;
}

/**
 * The transaction of postgres.js.
 * @example await sql.begin((tx) => ship.applyAsync([id], { transaction: fromPostgresJs(tx) }))
 */
export function fromPostgresJs(tx: PostgresJsTransaction): Transaction {
  checkMethods(tx, ['unsafe', 'savepoint'], 'fromPostgresJs: give the sql that sql.begin passes on');
  return transactionOf({
    library: 'a transaction of postgres.js',
    handle: tx,
    root: inside(tx, 'options') ?? tx,
    query: async (text) => rowsOf(await tx.unsafe(text)),
  });
}

/** The `tx` that Drizzle passes to the function given to `db.transaction`, on PostgreSQL. */
export interface DrizzleTransaction {
  execute(query: string): PromiseLike<unknown>;
  rollback(): never;
}

/**
 * The transaction of Drizzle, with any of its PostgreSQL drivers.
 * @example await db.transaction((tx) => ship.applyAsync([id], { transaction: fromDrizzle(tx) }))
 */
export function fromDrizzle(tx: DrizzleTransaction): Transaction {
  checkMethods(tx, ['execute', 'rollback'], 'fromDrizzle: give the tx that db.transaction passes on');
  return transactionOf({
    library: 'a transaction of Drizzle',
    handle: tx,
    // The driver's client; that of postgres.js is a function made for the transaction, with the options of all.
    root: inside(tx, 'session', 'client') ?? inside(tx, 'session', 'client', 'options') ?? tx,
    query: async (text) => rowsOf(await tx.execute(text)),
  });
}

/** The `trx` that Kysely passes to the function given to `db.transaction().execute`. */
export interface KyselyTransaction {
  readonly isTransaction: true;
  withoutPlugins(): { executeQuery(query: never): PromiseLike<{ readonly rows: readonly unknown[] }> };
}

/**
 * The transaction of Kysely.
 * @example await db.transaction().execute((trx) => ship.applyAsync([id], { transaction: fromKysely(trx) }))
 */
export function fromKysely(trx: KyselyTransaction): Transaction {
  checkMethods(trx, ['withoutPlugins'], 'fromKysely: give the trx that db.transaction().execute passes on');
  // Plugins rename columns.
  const plain = trx.withoutPlugins();
  return transactionOf({
    library: 'a transaction of Kysely',
    handle: trx,
    root: inside(executorOf(trx), 'adapter') ?? trx,
    query: async (text) => rowsOf(await plain.executeQuery(rawQuery(text) as never)),
  });
}

/** One executor stands behind a transaction; its adapter behind all transactions of a database. */
function executorOf(trx: KyselyTransaction): unknown {
  const get: unknown = Reflect.get(trx, 'getExecutor');
  return typeof get === 'function' ? Reflect.apply(get, trx, []) : undefined;
}

/** What `CompiledQuery.raw(text)` of Kysely gives. */
function rawQuery(sql: string) {
  return {
    sql,
    parameters: [],
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: 'celeriac' },
  };
}

/** The `trx` that Knex passes to the function given to `knex.transaction`. */
export interface KnexTransaction {
  raw(query: string): PromiseLike<unknown>;
  isCompleted(): boolean;
  readonly executionPromise: PromiseLike<unknown>;
}

/**
 * The transaction of Knex.
 * @example await knex.transaction((trx) => ship.applyAsync([id], { transaction: fromKnex(trx) }))
 */
export function fromKnex(trx: KnexTransaction): Transaction {
  checkMethods(trx, ['raw', 'isCompleted'], 'fromKnex: give the trx that knex.transaction passes on');
  return transactionOf({
    library: 'a transaction of Knex',
    handle: trx,
    root: inside(trx, 'client', 'config') ?? trx,
    // A place for a value, in Knex's own notation.
    avoid: '?',
    query: async (text) => rowsOf(await trx.raw(text)),
  });
}
