/**
 * `celeriac/transactions`: makes the transaction of a database library usable as the option `transaction` of a call. A
 * client of `pg` in a transaction needs no such function. None of the libraries is imported.
 */
export type { PgTransactionClient, Transaction, TransactionOption } from './options/transaction.js';
export {
  type DrizzleTransaction,
  fromDrizzle,
  fromKnex,
  fromKysely,
  fromPostgresJs,
  type KnexTransaction,
  type KyselyTransaction,
  type PostgresJsTransaction,
} from './transactions/from-builders.js';
export {
  fromMikroOrm,
  fromPrisma,
  fromTypeOrm,
  type MikroOrmTransaction,
  type PrismaTransaction,
  type TypeOrmTransaction,
} from './transactions/from-orms.js';
