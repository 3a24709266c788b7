/**
 * Parses durations and moments as users write them. A number is milliseconds; a string is like `500ms 10s 5m 2h 1d`. Inside
 * the package, durations are milliseconds (`…Ms`) and moments epoch milliseconds (`…At`).
 */
import ms from 'ms';
import { OptionError } from './errors.js';
import { LocalClock } from './local-time.js';
import { show } from './show.js';

/** Milliseconds, or `'500ms' | '10s' | '5m' | '2h' | '1d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}` | (string & Record<never, never>);

/**
 * A point in time: a `Date` or ISO 8601 text. A text without a zone, such as a bare date (its midnight), is in the app's
 * `timezone`.
 */
export type Moment = Date | string;

const SHAPE = /^-?\d+(\.\d+)?(ms|s|m|h|d)$/;

/**
 * The milliseconds of a {@link Duration}.
 * @param where the option's name, for the error: `countdown`, `taskDefaults.timeLimit`
 * @throws {OptionError} for anything else, including a bare number in a string
 */
export function toMs(duration: unknown, where: string): number {
  if (typeof duration === 'number' && Number.isFinite(duration)) return duration;
  if (typeof duration === 'string' && SHAPE.test(duration)) return ms(duration as ms.StringValue);
  throw new OptionError(
    `${where}: ${show(duration)} is not a duration. Write milliseconds as a number, or '500ms', '10s', '5m', '2h', '1d'.`,
  );
}

/** The duration as a user would write it, exactly: `90s`, `2h`, `1500ms`. */
export function durationText(durationMs: number): string {
  const [length, unit] = UNITS.find(([unitMs]) => durationMs !== 0 && durationMs % unitMs === 0) ?? [1, 'ms'];
  return `${durationMs / length}${unit}`;
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
] as const;

/** Like {@link toMs}. @throws {OptionError} also for a negative duration */
export function toPositiveMs(duration: unknown, where: string): number {
  const result = toMs(duration, where);
  if (result < 0)
    throw new OptionError(`${where}: ${show(duration)} is negative. Give a duration of 0 or more.`);
  return result;
}

/** Year, month, day; then hour, minute, second, fraction; then the zone. */
const MOMENT =
  /^(\d{4}|[+-]\d{6})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/**
 * The epoch milliseconds of a {@link Moment}.
 * @param timezone the zone of texts without one: IANA name
 * @throws {OptionError} for an invalid date, including February 31st
 */
export function toEpochMs(moment: unknown, where: string, timezone = 'UTC'): number {
  const at =
    moment instanceof Date
      ? moment.getTime()
      : typeof moment === 'string'
        ? parseMoment(moment, timezone)
        : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new OptionError(
    `${where}: ${show(moment)} is not a moment. Give a Date or ISO 8601 text, such as 2026-05-31T09:00:00Z.`,
  );
}

/** NaN for an invalid text. Stricter than `Date.parse`, which takes "1" for a year and February 31st for March 3rd. */
function parseMoment(text: string, timezone: string): number {
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '0', zone] =
    MOMENT.exec(text) ?? [];
  if (hour > '23') return Number.NaN;
  const ms = fraction.slice(0, 3).padEnd(3, '0');
  const wall = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  // Also true if `wall` is invalid, as NaN equals nothing.
  if (wall.getUTCDate() !== Number(day)) return Number.NaN;
  if (zone === undefined) return new LocalClock(timezone).momentsOf(wall.getTime()).moments[0] ?? Number.NaN;
  return wall.getTime() - offsetMsOf(zone);
}

/** `+02:00`, `-0330`, `+01`, `Z`; NaN for more than a day. */
function offsetMsOf(zone: string): number {
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  if (Number(hours) > 23 || Number(minutes) > 59) return Number.NaN;
  const ms = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === '-' ? -ms : ms;
}
