/** The transactions of object mappers, by the methods that we use: Prisma, TypeORM, MikroORM. */
import type { Transaction } from '../options/transaction.js';
import { checkMethods, inside, rowsOf, transactionOf } from './link.js';

/** The `tx` that Prisma passes to the function given to `prisma.$transaction`: it has no `$connect`, as Prisma has. */
export interface PrismaTransaction {
  $queryRawUnsafe(query: string): PromiseLike<unknown>;
  $executeRawUnsafe(query: string): PromiseLike<number>;
  readonly $connect?: undefined;
}

/**
 * The interactive transaction of Prisma, on PostgreSQL.
 * @example await prisma.$transaction((tx) => ship.applyAsync([id], { transaction: fromPrisma(tx) }))
 */
export function fromPrisma(tx: PrismaTransaction): Transaction {
  checkMethods(tx, ['$queryRawUnsafe'], 'fromPrisma: give the tx that prisma.$transaction passes on');
  return transactionOf({
    library: 'a transaction of Prisma',
    handle: tx,
    root: tx,
    query: async (text) => rowsOf(await tx.$queryRawUnsafe(text)),
  });
}

/** The entity manager that TypeORM passes to the function given to `dataSource.transaction`, or a query runner. */
export type TypeOrmTransaction = {
  query(query: string): PromiseLike<unknown>;
  readonly connection: object;
} & ({ getRepository(target: never): unknown } | { readonly isTransactionActive: boolean });

/**
 * The transaction of TypeORM, on PostgreSQL.
 * @example await dataSource.transaction((manager) => ship.applyAsync([id], { transaction: fromTypeOrm(manager) }))
 */
export function fromTypeOrm(manager: TypeOrmTransaction): Transaction {
  checkMethods(manager, ['query'], 'fromTypeOrm: give the manager that dataSource.transaction passes on');
  return transactionOf({
    library: 'a transaction of TypeORM',
    handle: inside(manager, 'queryRunner') ?? manager,
    root: inside(manager, 'dataSource') ?? manager.connection,
    query: async (text) => {
      const answer = await manager.query(text);
      // Of an UPDATE and a DELETE it gives the rows, and how many there are.
      const [rows, count]: readonly unknown[] = Array.isArray(answer) ? answer : [];
      return rowsOf(Array.isArray(rows) && typeof count === 'number' ? rows : answer);
    },
  });
}

/** The entity manager that MikroORM passes to the function given to `em.transactional`. */
export interface MikroOrmTransaction {
  execute(query: string): PromiseLike<unknown>;
  isInTransaction(): boolean;
  getTransactionContext(): unknown;
  getConnection(): object;
}

/**
 * The transaction of MikroORM, on PostgreSQL.
 * @example await orm.em.transactional((em) => ship.applyAsync([id], { transaction: fromMikroOrm(em) }))
 */
export function fromMikroOrm(em: MikroOrmTransaction): Transaction {
  checkMethods(
    em,
    ['execute', 'isInTransaction'],
    'fromMikroOrm: give the em that em.transactional passes on',
  );
  return transactionOf({
    library: 'a transaction of MikroORM',
    handle: inside({ context: em.getTransactionContext() }, 'context') ?? em,
    root: em.getConnection(),
    // A place for a value, in MikroORM's own notation.
    avoid: '?',
    query: async (text) => rowsOf(await em.execute(text)),
  });
}
