/**
 * `crontab(...)` and `every(...)`, and when they tick. Pure: reads no clock. Cron expressions are evaluated in wall
 * time, which has no clock changes; one rule then converts each wall time to moments:
 *
 *   a wall time that is skipped         ticks once, as much later as the clock was set forward
 *   one that comes twice                ticks once, the first time;
 *     unless the expression names no hours: "every 15 minutes" goes on through both
 */
import { CronExpressionParser } from 'cron-parser';
import { type Duration, toMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { LARGEST_SHIFT_MS, LocalClock } from '../local-time.js';
import { checkNames } from '../options/names.js';
import {
  type CrontabSchedule,
  checkTimezone,
  type IntervalSchedule,
  type Schedule,
  SHORTEST_INTERVAL_MS,
} from '../options/schedules.js';
import { show } from '../show.js';
import { type CronFields, hoursOf, readExpression, readFields } from './cron-fields.js';

/** Options of a cron expression. */
export interface CrontabOptions {
  /** IANA name of the zone of the crontab. Default: the app's `timezone`. */
  timezone?: string;
}

/**
 * A schedule by the calendar, in standard cron: an expression, or Celery's fields, with `*` for omitted ones. 7 is
 * Sunday; if both day fields are given, either may match (Celery: both must).
 *
 * @throws {OptionError} naming the invalid field
 * @example crontab({ minute: '*\/5' })
 * @example crontab('0 9 * * 1-5', { timezone: 'Europe/Rome' })
 */
export function crontab(
  when: string | (CronFields & CrontabOptions),
  options: CrontabOptions = {},
): CrontabSchedule {
  checkNames(options, ['timezone'], 'crontab');
  if (typeof when !== 'string' && (typeof when !== 'object' || when === null)) {
    throw new OptionError(
      `crontab: give an expression like '0 9 * * 1-5' or fields like { hour: 9 }, not ${show(when)}.`,
    );
  }
  const expression = typeof when === 'string' ? readExpression(when) : readFields(when);
  const timezone = options.timezone ?? (typeof when === 'string' ? undefined : when.timezone);
  refuseNever(expression);
  return Object.freeze({
    kind: 'crontab',
    expression,
    ...(timezone !== undefined && { timezone: checkTimezone(timezone, 'crontab') }),
  });
}

/**
 * A schedule at a fixed interval: the first tick comes one interval after it was set, the others at a steady pace,
 * even if some ticks run late.
 *
 * @throws {OptionError} for less than 10 ms
 * @example every('30s')
 */
export function every(interval: Duration): IntervalSchedule {
  const everyMs = Math.round(toMs(interval, 'every'));
  if (everyMs >= SHORTEST_INTERVAL_MS) return Object.freeze({ kind: 'every', everyMs });
  throw new OptionError(`every: ${show(interval)} is too short; the least is ${SHORTEST_INTERVAL_MS} ms.`);
}

/** A schedule with its time zone and its start. */
export interface Timing {
  readonly schedule: Schedule;
  /** Time zone of crontabs that name none. */
  readonly timezone: string;
  /** Start of the intervals, epoch ms. */
  readonly anchorAt: number;
}

/** The first tick after a moment, epoch ms. `undefined` if there is none for years. */
export function nextTick({ schedule, timezone, anchorAt }: Timing, after: number): number | undefined {
  if (schedule.kind === 'crontab')
    return nextOfCrontab(schedule.expression, new LocalClock(schedule.timezone ?? timezone), after);
  const passed = Math.max(0, Math.floor((after - anchorAt) / schedule.everyMs));
  return anchorAt + (passed + 1) * schedule.everyMs;
}

/** The last tick up to `now`. `first` must be a tick itself; the result is never earlier. */
export function lastTick(course: Timing, first: number, now: number): number {
  for (let spanMs = 60_000; now - spanMs > first; spanMs *= 8) {
    const tick = nextTick(course, now - spanMs);
    if (tick !== undefined && tick <= now) return lastFrom(course, tick, now);
  }
  return lastFrom(course, first, now);
}

function lastFrom(course: Timing, first: number, now: number): number {
  if (course.schedule.kind === 'every')
    return first + Math.floor((now - first) / course.schedule.everyMs) * course.schedule.everyMs;
  let last = first;
  for (;;) {
    const next = nextTick(course, last);
    if (next === undefined || next > now) return last;
    last = next;
  }
}

function nextOfCrontab(expression: string, clock: LocalClock, after: number): number | undefined {
  if (!clock.changesAround(after, LARGEST_SHIFT_MS)) {
    const [wall] = wallTimes(expression, clock.wallAt(after));
    if (wall === undefined) return undefined;
    const { moments, skipped } = clock.momentsOf(wall);
    // Skipped wall times are moved later, and may then come after later ones.
    if (!skipped) return moments[0];
  }
  return nextAroundChange(expression, clock, after);
}

/** Around a clock change, wall times and moments differ in order: compare all candidates. */
function nextAroundChange(expression: string, clock: LocalClock, after: number): number | undefined {
  const twice = hoursOf(expression) === undefined;
  let best: number | undefined;
  for (const wall of wallTimes(expression, clock.wallAt(after) - LARGEST_SHIFT_MS)) {
    if (best !== undefined && wall > clock.wallAt(best) + LARGEST_SHIFT_MS) break;
    const { moments } = clock.momentsOf(wall);
    const next = (twice ? moments : moments.slice(0, 1)).find((at) => at > after);
    if (next !== undefined && (best === undefined || next < best)) best = next;
  }
  return best;
}

/** The matching wall times after a given one. */
function* wallTimes(expression: string, afterWall: number): Generator<number, undefined> {
  const matches = CronExpressionParser.parse(expression, { currentDate: new Date(afterWall), tz: 'UTC' });
  for (;;) {
    let next: number;
    try {
      next = matches.next().getTime();
    } catch {
      // cron-parser gives up after some years without a match.
      return undefined;
    }
    yield next;
  }
}

function refuseNever(expression: string): void {
  try {
    CronExpressionParser.parse(expression, { currentDate: new Date(0), tz: 'UTC' }).next();
  } catch (error) {
    throw new OptionError(`crontab: "${expression}" never matches any date.`, {
      cause: error,
    });
  }
}
