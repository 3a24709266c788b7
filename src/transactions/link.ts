/** What the functions for the libraries share: a transaction from a library's own, and rows from its answers. */
import { OptionError } from '../errors.js';
import { LINK, type Transaction, type TransactionLink, type TransactionRow } from '../options/transaction.js';
import { show } from '../show.js';

/** A transaction as the option of a call takes it. */
export function transactionOf(link: TransactionLink): Transaction {
  return Object.freeze({ [LINK]: link });
}

/** @throws {OptionError} for a value without these methods */
export function checkMethods(value: unknown, methods: readonly string[], what: string): void {
  const has = (name: string) =>
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof Reflect.get(value, name) === 'function';
  if (!methods.every(has)) throw new OptionError(`${what}; got ${show(value)}.`);
}

/** The rows of an answer: a list of them, or an object that holds one. */
export function rowsOf(answer: unknown): readonly TransactionRow[] {
  const rows: unknown = Array.isArray(answer) ? answer : inside(answer, 'rows');
  return Array.isArray(rows) ? (rows as TransactionRow[]) : [];
}

/** What stands at the end of a path of properties, if there is an object. */
export function inside(value: unknown, ...path: readonly string[]): object | undefined {
  const found = path.reduce<unknown>(
    (at, name) =>
      (typeof at === 'object' && at !== null) || typeof at === 'function' ? Reflect.get(at, name) : undefined,
    value,
  );
  return typeof found === 'object' && found !== null ? found : undefined;
}
