/**
 * Schedules as values: the results of `crontab(...)` and `every(...)`, which options accept. Plain data, so that an
 * entry reads back as it was written; `src/schedules/` makes them and computes their ticks.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Moments of the calendar: `crontab('0 9 * * 1-5')`. */
export interface CrontabSchedule {
  readonly kind: 'crontab';
  /** Five fields: minute, hour, day of month, month, day of week. */
  readonly expression: string;
  /** IANA name. Absent: the app's `timezone`. */
  readonly timezone?: string;
}

/** A steady interval: `every('30s')`. */
export interface IntervalSchedule {
  readonly kind: 'every';
  readonly everyMs: number;
}

/** When a task runs by itself: made by `crontab(...)` or `every(...)`. */
export type Schedule = CrontabSchedule | IntervalSchedule;

/** Shorter intervals are refused: the broker would be busy with little else. */
export const SHORTEST_INTERVAL_MS = 10;

/** @throws {OptionError} for a value that neither function made */
export function checkSchedule(value: unknown, where: string): Schedule {
  if (typeof value === 'object' && value !== null) {
    const { kind, expression, everyMs } = value as Partial<Record<string, unknown>>;
    if (kind === 'crontab' && typeof expression === 'string') return value as CrontabSchedule;
    if (kind === 'every' && typeof everyMs === 'number' && everyMs >= SHORTEST_INTERVAL_MS)
      return value as IntervalSchedule;
  }
  throw new OptionError(
    `${where}: ${show(value)} is no schedule. Write crontab({ minute: '*/5' }), crontab('0 9 * * 1-5') or every('30s').`,
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
