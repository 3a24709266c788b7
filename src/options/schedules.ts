/**
 * Schedules as values: the results of `crontab(...)`, `every(...)` and `at(...)`, which options accept. Plain data, so that an
 * entry reads back as it was written; `src/schedules/` makes them and computes their ticks.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Which of the ticks that came due while no worker ran are made up for: the last one, all of them, or none. */
export type CatchUp = 'last' | 'all' | 'none';

/** All of them. */
export const CATCH_UP: readonly unknown[] = ['last', 'all', 'none'] satisfies CatchUp[];

/** What every kind of schedule may have. Moments are ISO 8601; without a zone they are in that of the schedule. */
export interface ScheduleBounds {
  /** IANA name. Absent: the app's `timezone`. */
  readonly timezone?: string;
  /** No tick is earlier. */
  readonly startAt?: string;
  /** No tick is later. */
  readonly endAt?: string;
  /** Each task starts up to this much later than its tick, at random, ms. */
  readonly jitterMs?: number;
  /** Absent: `'last'`. */
  readonly catchUp?: CatchUp;
}

/** Moments of the calendar: `crontab('0 9 * * 1-5')`. */
export interface CrontabSchedule extends ScheduleBounds {
  readonly kind: 'crontab';
  /** Five fields: minute, hour, day of month, month, day of week. */
  readonly expression: string;
}

/** A steady interval: `every('30s')`. */
export interface IntervalSchedule extends ScheduleBounds {
  readonly kind: 'every';
  readonly everyMs: number;
  /** Ticks are at multiples of the interval since midnight, January 1st 1970, by the clock on the wall. */
  readonly aligned?: true;
}

/** One moment: `at('2027-01-01T00:00:00Z')`. */
export interface OnceSchedule extends ScheduleBounds {
  readonly kind: 'at';
  /** ISO 8601. */
  readonly at: string;
}

/** A kind that a program's own code computes, as it is stored: only workers that have the code tick it. */
export interface OwnKind extends ScheduleBounds {
  readonly kind: 'own';
  /** A mark of the code. */
  readonly code: string;
}

/** When a task runs by itself: made by `crontab(...)`, `every(...)` or `at(...)`, or read of a kind of its own. */
export type Schedule = CrontabSchedule | IntervalSchedule | OnceSchedule | OwnKind;

/** Shorter intervals are refused: the broker would be busy with little else. */
export const SHORTEST_INTERVAL_MS = 10;
/** The same, of aligned intervals: around a change of the clock each candidate is looked at. */
export const SHORTEST_ALIGNED_MS = 1000;

/** @throws {OptionError} for a value that none of these functions made */
export function checkSchedule(value: unknown, where: string): Schedule {
  if (typeof value === 'object' && value !== null) {
    const { kind, expression, everyMs, aligned, at } = value as Partial<Record<string, unknown>>;
    const least = aligned === true ? SHORTEST_ALIGNED_MS : SHORTEST_INTERVAL_MS;
    const whole =
      (kind === 'crontab' && typeof expression === 'string') ||
      (kind === 'every' && typeof everyMs === 'number' && everyMs >= least) ||
      (kind === 'at' && typeof at === 'string');
    if (whole && areBounds(value)) return value as Schedule;
  }
  if (typeof value === 'object' && value !== null && typeof Reflect.get(value, 'next') === 'function')
    throw new OptionError(
      `${where}: a kind of your own is code, so it belongs to a task: @Task({ schedule }).`,
    );
  throw new OptionError(
    `${where}: ${show(value)} is no schedule. Write crontab({ minute: '*/5' }), crontab('0 9 * * 1-5'), every('30s') or at('2027-01-01T09:00:00Z').`,
  );
}

/** Whether the bounds have the types that the functions give them. Texts are read where they are used. */
function areBounds(value: Partial<Record<keyof ScheduleBounds, unknown>>): boolean {
  const { startAt, endAt, jitterMs, catchUp } = value;
  return (
    [startAt, endAt].every((moment) => moment === undefined || typeof moment === 'string') &&
    (jitterMs === undefined || (Number.isFinite(jitterMs) && (jitterMs as number) >= 0)) &&
    (catchUp === undefined || CATCH_UP.includes(catchUp))
  );
}

/** @throws {OptionError} for a time zone that Node does not know */
export function checkTimezone(timezone: unknown, where: string): string {
  // The default, in every process: checking it would load Node's calendars, 15 ms.
  if (timezone === 'UTC') return timezone;
  try {
    if (typeof timezone !== 'string') throw new TypeError('no name');
    new Intl.DateTimeFormat('en', { timeZone: timezone });
    return timezone;
  } catch {
    throw new OptionError(
      `${where}: timezone ${show(timezone)} is unknown. Use an IANA name such as Europe/Rome.`,
    );
  }
}
