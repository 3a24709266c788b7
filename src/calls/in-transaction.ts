/** The port from calls to the part that makes them in a caller's transaction, which is on a higher floor. */
import type { TransactionOption } from '../options/transaction.js';

/**
 * Runs `body` with a launcher or sender whose writes belong to the transaction.
 * @throws {OptionError} when the transaction cannot carry calls of this app
 */
export type InTransaction<S> = <R>(
  transaction: TransactionOption,
  body: (scope: S) => Promise<R>,
) => Promise<R>;
