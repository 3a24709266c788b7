/**
 * The options `concurrency` and `batch` (read by the worker) and `unique` (read by the caller). The other files of
 * `options` merge and resolve them with the rest.
 */
import { type Duration, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { checkNames } from './names.js';

/** Makes a key of a call's arguments. */
export type KeyOf = (...args: never[]) => string;

/** How many of a task run at once, fleet-wide. */
export interface ConcurrencyOptions {
  /** The greatest number that run at once; 1 or more. */
  limit: number;
  /** Counts each key separately, e.g. `(accountId) => accountId`. Default: all calls of the task together. */
  key?: KeyOf;
}

/** At most one task of a name and key at a time, fleet-wide. */
export interface UniqueOptions {
  /** What makes two calls the same. Default: equal arguments. */
  key?: KeyOf;
  /** Hold the key no longer than this. Default: until the task has ended. */
  ttl?: Duration;
  /**
   * What a second call does: `reject` throws DuplicateTaskError, `return` gives the first one's result, `replace`
   * revokes the first one if it has not started, else throws.
   */
  mode: 'reject' | 'return' | 'replace';
}

/** How many calls of a task are handed over together. */
export interface BatchOptions {
  /** The most calls of one batch: 1 to 10,000. */
  size: number;
  /** How long the first call of a batch waits for others at most, such as `'2s'`. */
  wait: Duration;
}

/** {@link BatchOptions}, resolved. */
export interface BatchPolicy {
  readonly size: number;
  readonly waitMs: number;
}

/** {@link ConcurrencyOptions}, resolved. */
export interface ConcurrencyPolicy {
  readonly limit: number;
  readonly key: ((args: readonly unknown[]) => string) | undefined;
}

/** {@link UniqueOptions}, resolved. */
export interface UniquePolicy {
  readonly key: ((args: readonly unknown[]) => string) | undefined;
  readonly ttlMs: number | undefined;
  readonly mode: UniqueOptions['mode'];
}

const MODES: readonly UniqueOptions['mode'][] = ['reject', 'return', 'replace'];

/** @throws {OptionError} */
export function resolveConcurrency(given: unknown, where: string): ConcurrencyPolicy {
  checkObject(given, ['limit', 'key'], where);
  const { limit, key }: Partial<Record<string, unknown>> = given;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1)
    throw new OptionError(`${where}: limit ${show(limit)} must be a whole number of 1 or more.`);
  return { limit, key: keyFunction(key, where) };
}

/** @throws {OptionError} */
export function resolveUnique(given: unknown, where: string): UniquePolicy {
  checkObject(given, ['key', 'ttl', 'mode'], where);
  const { key, ttl, mode: wanted }: Partial<Record<string, unknown>> = given;
  const mode = MODES.find((known) => known === wanted);
  if (mode === undefined)
    throw new OptionError(`${where}: mode ${show(wanted)} must be 'reject', 'return' or 'replace'.`);
  const ttlMs = ttl === undefined ? undefined : toPositiveMs(ttl, `${where}: ttl`);
  if (ttlMs === 0) throw new OptionError(`${where}: ttl must be longer than 0.`);
  return { key: keyFunction(key, where), ttlMs, mode };
}

/** Every member of a batch is a locked job in its worker's memory. */
const LARGEST_BATCH = 10_000;

/** @throws {OptionError} */
export function resolveBatch(given: unknown, where: string): BatchPolicy {
  checkObject(given, ['size', 'wait'], where);
  const { size, wait }: Partial<Record<string, unknown>> = given;
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1 || size > LARGEST_BATCH)
    throw new OptionError(
      `${where}: size ${show(size)} must be a whole number from 1 to ${LARGEST_BATCH}: how many calls are handed over at most.`,
    );
  if (wait === undefined)
    throw new OptionError(
      `${where}: wait is missing: how long a call waits for others at most, such as '2s'.`,
    );
  const waitMs = toPositiveMs(wait, `${where}: wait`);
  if (waitMs === 0) throw new OptionError(`${where}: wait must be longer than 0.`);
  return { size, waitMs };
}

function checkObject(given: unknown, known: readonly string[], where: string): asserts given is object {
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`${where} must be an object with ${known.join(', ')}; got ${show(given)}.`);
  checkNames(given, known, where);
}

function keyFunction(key: unknown, where: string): ((args: readonly unknown[]) => string) | undefined {
  if (key === undefined) return undefined;
  if (typeof key !== 'function')
    throw new OptionError(`${where}: key must be a function of the task's arguments; got ${show(key)}.`);
  return (args) => {
    const made: unknown = Reflect.apply(key, undefined, [...args]);
    if (typeof made === 'string') return made;
    throw new OptionError(`${where}: key() must give a string; it gave ${show(made)}.`);
  };
}
