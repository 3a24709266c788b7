/**
 * Reads the values of flags and arguments. All checks are made here, before an app is loaded or a broker is asked, and
 * every error names the flag.
 */
import { hostname } from 'node:os';
import { toEpochMs, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { brokerScheme } from '../options/broker-url.js';
import { checkPrefix, checkQueueName } from '../options/checks.js';
import { LOG_LEVELS, type LogLevel, parseLogLevel } from '../options/logger.js';
import { bytesOf } from '../options/worker-values.js';

/** A broker's URL, as `-b` takes it. @throws {OptionError} */
export function brokerFlag(text: string): string {
  const url = text.trim();
  brokerScheme(url, '--broker');
  return url;
}

/** The prefix of an app. @throws {OptionError} */
export function prefixFlag(text: string): string {
  return checkPrefix(text, '--prefix');
}

/**
 * Milliseconds of a duration that must carry its unit: `-t 10` in a shell is ambiguous, `10s` is not.
 * @throws {OptionError}
 */
export function durationFlag(flag: string): (text: string) => number {
  return (text) => {
    if (/^-?\d+(\.\d+)?$/.test(text)) {
      throw new OptionError(`${flag}: ${text} has no unit. Write ${text}s or ${text}ms.`);
    }
    if (!/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) {
      throw new OptionError(
        `${flag}: "${text}" is not a duration. Write a number and its unit, as in 500ms, 10s, 5m, 2h or 1d.`,
      );
    }
    return toPositiveMs(text, flag);
  };
}

/** A duration from now or an ISO moment, as `expires` takes them. */
export function durationOrMomentFlag(flag: string): (text: string) => number | string {
  const duration = durationFlag(flag);
  return (text) => (/^\d{4}-/.test(text) ? momentFlag(flag)(text) : duration(text));
}

/** An ISO moment, as it was written. */
export function momentFlag(flag: string): (text: string) => string {
  return (text) => {
    if (Number.isNaN(Date.parse(text))) {
      throw new OptionError(
        `${flag}: "${text}" is not a moment. Write ISO 8601, as in 2030-01-31T08:00:00Z.`,
      );
    }
    toEpochMs(text, flag);
    return text;
  };
}

/** A whole number of at least `least`. */
export function countFlag(flag: string, least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new OptionError(`${flag}: "${text}" must be a whole number of ${least} or more.`);
  };
}

/** Bytes of `200mb`, `512kb`, `1gb`. */
export function sizeFlag(flag: string): (text: string) => number {
  return (text) => {
    const bytes = bytesOf(text);
    if (bytes !== undefined) return bytes;
    throw new OptionError(
      `${flag}: "${text}" is not a size. Write a number and its unit, as in 200mb or 1gb.`,
    );
  };
}

/** One of `choices`, which the reader carries along for the completion of shells. */
export function choiceFlag<C extends string>(
  flag: string,
  choices: readonly C[],
): ((text: string) => C) & { readonly choices: readonly C[] } {
  const read = (text: string) => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new OptionError(`${flag}: "${text}" is none of ${choices.join(', ')}.`);
  };
  return Object.assign(read, { choices });
}

/** A log level, in any of its spellings. */
export function levelFlag(
  flag: string,
): ((text: string) => LogLevel) & { readonly choices: readonly LogLevel[] } {
  return Object.assign((text: string) => parseLogLevel(text, flag), { choices: LOG_LEVELS });
}

/** `MAX,MIN` of `--autoscale`. */
export function autoscaleFlag(text: string): { max: number; min: number } {
  const [max = '', min = ''] = text.split(',');
  const range = {
    max: countFlag('--autoscale')(max),
    min: countFlag('--autoscale', 0)(min === '' ? '0' : min),
  };
  if (range.min <= range.max) return range;
  throw new OptionError(`--autoscale: ${text} has a minimum above its maximum. Write MAX,MIN, as in 10,3.`);
}

/** A comma list that may also be given several times; empty names are refused. */
export function listFlag(flag: string): (text: string, before?: readonly string[]) => string[] {
  return (text, before = []) => {
    const names = text.split(',').map((name) => name.trim());
    if (names.includes('')) throw new OptionError(`${flag}: "${text}" has an empty name in it.`);
    return [...before, ...names];
  };
}

/** Like {@link listFlag}, for queue names. */
export function queuesFlag(flag: string): (text: string, before?: readonly string[]) => string[] {
  const list = listFlag(flag);
  return (text, before) => {
    const names = list(text, before);
    for (const name of names) checkQueueName(name, flag);
    return names;
  };
}

/** A queue of `-Q`, and its share of the worker's slots when one was given. */
export interface WeightedQueue {
  readonly name: string;
  readonly weight: number | undefined;
}

/** `mail=2,reports`, once or several times. */
export function weightedQueuesFlag(text: string, before: readonly WeightedQueue[] = []): WeightedQueue[] {
  const queues = listFlag('-Q')(text).map((part) => {
    const [name = '', weight] = part.split('=');
    checkQueueName(name, '-Q');
    return { name, weight: weight === undefined ? undefined : countFlag(`-Q ${name}`)(weight) };
  });
  const all = [...before, ...queues];
  const twice = all.find((queue, index) => all.findIndex((other) => other.name === queue.name) < index);
  if (twice !== undefined) throw new OptionError(`-Q: the queue "${twice.name}" is named twice.`);
  return all;
}

/** The arguments of a call: a JSON array. */
export function argsFlag(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OptionError(
      `--args: ${text} is not JSON (${(error as Error).message}). Write an array, as in --args '["42", 7]'.`,
    );
  }
  if (Array.isArray(value)) return value;
  throw new OptionError(
    `--args: ${text} is JSON but no array. Write the arguments in one, as in --args '[${text}]'.`,
  );
}

/** Any JSON value. Wrapped, since commander takes null for a flag that was given without a value. */
export function jsonFlag(flag: string): (text: string) => { readonly given: unknown } {
  return (text) => {
    try {
      return { given: JSON.parse(text) as unknown };
    } catch (error) {
      throw new OptionError(`${flag}: ${text} is not JSON (${(error as Error).message}).`);
    }
  };
}

/** Free data of a call: a JSON object. */
export function headersFlag(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Not JSON: refused below like any other value that is no object.
  }
  throw new OptionError(
    `--headers: ${text} is not a JSON object. Write one, as in --headers '{"tenant": 7}'.`,
  );
}

/** `-n`: `%h` is the host, `%n` its first part, `%d` the rest (Celery: `--hostname`); a bare name gets the host. */
export function nodeNameFlag(text: string): string {
  const host = hostname();
  const [short = host, ...domain] = host.split('.');
  const values = new Map([
    ['h', host],
    ['n', short],
    ['d', domain.join('.')],
    ['%', '%'],
  ]);
  const name = text.replace(/%(.)/g, (_all, key: string) => {
    const value = values.get(key);
    if (value !== undefined) return value;
    throw new OptionError(
      `-n: "%${key}" means nothing. Use %h (host), %n (its first part), %d (its domain).`,
    );
  });
  if (name === '' || /[\s,]/.test(name)) {
    throw new OptionError(
      `-n: "${text}" is not a node name. Use no white space and no comma, as in mail@%h.`,
    );
  }
  return name.includes('@') ? name : `${name}@${host}`;
}
