/**
 * The option `transaction` of a call: the caller's own database transaction, to which the call then belongs. Defines
 * what is accepted and how it is reached; must know no library, and do no I/O.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** A row, with the values that the library made of the columns. */
export type TransactionRow = Readonly<Record<string, unknown>>;

/** The connection of a caller's transaction, through the library that opened it. */
export interface TransactionLink {
  /** For people: `a Drizzle transaction`. */
  readonly library: string;
  /** The object that stands for the transaction. Its statements run one after the other. */
  readonly handle: object;
  /** The same for all transactions on one database, as far as the library shows it: answers are remembered under it. */
  readonly root: object;
  /** Characters that the library would interpret in the text of a statement. */
  readonly avoid?: string;
  /** Runs one statement without parameters. */
  query(text: string): Promise<readonly TransactionRow[]>;
}

/** The key under which a {@link Transaction} holds its link; known to all copies of this package. */
export const LINK: unique symbol = Symbol.for('celeriac: transaction');

/** A transaction of another library, made by `fromDrizzle` and the like of `celeriac/transactions`. */
export interface Transaction {
  readonly [LINK]: TransactionLink;
}

/** A client of the `pg` package (`pg.Client`, or one checked out of a pool). It must be in a transaction. */
export interface PgTransactionClient {
  query(text: string): Promise<{ rows: unknown[] }>;
  escapeLiteral(text: string): string;
  escapeIdentifier(text: string): string;
}

/** What the option `transaction` takes. */
export type TransactionOption = Transaction | PgTransactionClient;

/**
 * The link of a transaction.
 * @throws {OptionError} for anything else
 */
export function linkOf(transaction: unknown, where: string): TransactionLink {
  if (isTransaction(transaction)) return transaction[LINK];
  if (isPgClient(transaction))
    return {
      library: 'a client of pg',
      handle: transaction,
      root: transaction,
      query: async (text) => (await transaction.query(text)).rows as TransactionRow[],
    };
  const isPool = has(transaction, 'query') && has(transaction, 'connect') && has(transaction, 'end');
  throw new OptionError(
    isPool
      ? `${where}: transaction must be one client in a transaction, not a pool, each of whose statements may run on ` +
          'another connection. Take a client with pool.connect(), and begin a transaction on it.'
      : `${where}: transaction must be a client of pg in a transaction, or made by fromDrizzle, fromPrisma or another ` +
          `function of celeriac/transactions; got ${show(transaction)}.`,
  );
}

function isTransaction(value: unknown): value is Transaction {
  return typeof value === 'object' && value !== null && LINK in value;
}

function isPgClient(value: unknown): value is PgTransactionClient {
  return has(value, 'query') && has(value, 'escapeLiteral') && has(value, 'escapeIdentifier');
}

function has(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function';
}
