/**
 * Durations and moments as users write them. A number is milliseconds, a string is `500ms 10s 5m 2h 1d`.
 * Everything inside the package is milliseconds (`…Ms`) or epoch milliseconds (`…At`).
 */
import ms from 'ms';
import { OptionError } from './errors.js';

/** Milliseconds, or `'500ms' | '10s' | '5m' | '2h' | '1d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | (string & Record<never, never>);

/** A point in time: a `Date` or an ISO 8601 string. */
export type Moment = Date | string;

const SHAPE = /^-?\d+(\.\d+)?(ms|s|m|h|d)$/;

/**
 * Milliseconds of a {@link Duration}.
 * @param where what is being read, for the error: `countdown`, `taskDefaults.timeLimit`
 * @throws {OptionError} for anything else, a bare number in a string included
 */
export function toMs(duration: unknown, where: string): number {
  if (typeof duration === 'number' && Number.isFinite(duration)) return duration;
  if (typeof duration === 'string' && SHAPE.test(duration)) return ms(duration as ms.StringValue);
  throw new OptionError(
    `${where}: ${show(duration)} is not a duration. Write milliseconds as a number, or '500ms', '10s', '5m', '2h', '1d'.`,
  );
}

/** Like {@link toMs}, for durations that may not be negative. */
export function toPositiveMs(duration: unknown, where: string): number {
  const result = toMs(duration, where);
  if (result < 0)
    throw new OptionError(`${where}: ${show(duration)} is negative. Give a duration of 0 or more.`);
  return result;
}

/**
 * Epoch milliseconds of a {@link Moment}.
 * @throws {OptionError} for what is no date
 */
export function toEpochMs(moment: unknown, where: string): number {
  const at =
    moment instanceof Date ? moment.getTime() : typeof moment === 'string' ? Date.parse(moment) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new OptionError(`${where}: ${show(moment)} is not a moment. Give a Date or an ISO 8601 string.`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  try {
    return String(value);
  } catch {
    // An object without a usable toString (a null prototype, a throwing getter): its type has to do.
    return `a value of type ${typeof value}`;
  }
}
