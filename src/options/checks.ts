/**
 * The checks of option tables: each reads one kind of value, or throws an error that says what is wrong, where, and
 * what to write instead.
 */
import { type Duration, type Moment, toEpochMs, toMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { isPlainText } from '../text-escape.js';

export type ErrorClass = abstract new (...args: never[]) => Error;

/** @throws {OptionError} for names BullMQ or our own ids cannot carry */
export function checkQueueName(queue: unknown, where: string): asserts queue is string {
  const bad = typeof queue !== 'string' || queue === '' || /[:~\s]/.test(queue) || !isPlainText(queue);
  if (bad) {
    throw new OptionError(
      `${where}: ${show(queue)} is not a queue name. Use a non-empty string without ":", "~", white space, NUL and lone surrogates.`,
    );
  }
}

/** @throws {OptionError} for words that a key of the broker cannot begin with */
export function checkPrefix(prefix: unknown, where: string): string {
  if (typeof prefix === 'string' && /^[^\s:{}]+$/.test(prefix)) return prefix;
  throw new OptionError(
    `${where}: prefix ${show(prefix)} must be a word without white space, ":", "{" and "}". ` +
      'It is the app name unless the option prefix or CELERIAC_PREFIX says otherwise.',
  );
}

export function checkPriority(priority: unknown, where: string): number {
  if (typeof priority === 'number' && Number.isInteger(priority) && priority >= 0 && priority <= 2_097_151) {
    return priority;
  }
  throw new OptionError(
    `${where}: priority ${show(priority)} must be a whole number from 0 (most urgent) to 2097151.`,
  );
}

export function checkLimits(soft: number | undefined, hard: number | undefined, where: string): void {
  if (soft !== undefined && hard !== undefined && soft > hard) {
    throw new OptionError(
      `${where}: softTimeLimit (${soft} ms) is longer than timeLimit (${hard} ms), so it could never act.`,
    );
  }
}

export function toMaxRetries(value: unknown, where: string): number {
  if (value === null) return Number.POSITIVE_INFINITY;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new OptionError(
    `${where} must be a whole number of 0 or more, or null for ever; got ${show(value)}.`,
  );
}

/** Epoch ms at which something expires: a duration counts from `now`. */
export function toExpiry(expires: Duration | Moment, now: number, where: string, timezone?: string): number {
  if (expires instanceof Date) return toEpochMs(expires, where);
  if (typeof expires === 'string' && /^[+-]?\d{4,}-/.test(expires))
    return toEpochMs(expires, where, timezone);
  return now + toMs(expires, where);
}

export function optionalMs(value: Duration | null | undefined, where: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const result = toMs(value, where);
  if (result > 0) return result;
  throw new OptionError(`${where}: ${show(value)} must be longer than 0.`);
}

/** `Error` itself, or a class that extends it. */
export function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error);
}

/** A class, or a list of them, as a list. */
export function errorClasses(value: unknown, where: string): readonly ErrorClass[] {
  if (isErrorClass(value)) return [value];
  if (!Array.isArray(value)) {
    throw new OptionError(
      `${where} must be a class that extends Error, or a list of such; got ${show(value)}.`,
    );
  }
  for (const [i, item] of value.entries()) {
    if (!isErrorClass(item))
      throw new OptionError(`${where}[${i}] must be a class that extends Error; got ${show(item)}.`);
  }
  return value as ErrorClass[];
}

/** True for a `class`, which cannot be called without `new`; false for a `function`. */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

export function boolean(value: unknown, fallback: boolean, where: string): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw new OptionError(`${where} must be true or false; got ${show(value)}.`);
}

export function func<F>(value: F | undefined, where: string): F | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw new OptionError(`${where} must be a function; got ${show(value)}.`);
}

export function positiveInteger(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new OptionError(`${where} must be a whole number of 1 or more; got ${show(value)}.`);
}

/** @throws {OptionError} for anything that a broker cannot store as a name */
export function checkTaskName(name: unknown, where: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && isPlainText(name)) return;
  throw new OptionError(
    `${where}: ${show(name)} is not a task name. Use a non-empty string without NUL and lone surrogates.`,
  );
}
