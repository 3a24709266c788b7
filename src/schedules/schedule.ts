/**
 * `crontab(...)`, `every(...)` and `at(...)`: they check a schedule and write it as plain data. `ticks` computes when
 * it ticks.
 */
import { CronExpressionParser } from 'cron-parser';
import { type Duration, type Moment, toEpochMs, toMs, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { boolean } from '../options/checks.js';
import { present } from '../options/merge.js';
import { checkNames } from '../options/names.js';
import {
  CATCH_UP,
  type CatchUp,
  type CrontabSchedule,
  checkTimezone,
  type IntervalSchedule,
  type OnceSchedule,
  type ScheduleBounds,
  SHORTEST_ALIGNED_MS,
  SHORTEST_INTERVAL_MS,
} from '../options/schedules.js';
import { show } from '../show.js';
import { type CronFields, readExpression, readFields } from './cron-fields.js';

/** Options of every kind of schedule. */
export interface TimingOptions {
  /** IANA name of the zone. Default: the app's `timezone`. */
  timezone?: string;
  /** No tick is earlier; an interval that is not aligned begins here. Default: none. */
  startAt?: Moment;
  /** No tick is later. Default: none. */
  endAt?: Moment;
  /** Starts each task up to this much after its tick, at random, so that many do not start at once. Default: none. */
  jitter?: Duration;
  /**
   * Which of the ticks that came due while no worker ran are made up for: `'last'` (once), `'all'` or `'none'`.
   * Default: `'last'`.
   */
  catchUp?: CatchUp;
}

/** Options of {@link every}. */
export interface EveryOptions extends TimingOptions {
  /**
   * Ticks at multiples of the interval by the clock on the wall: each hour on the hour, each day at midnight (Celery:
   * `relative`). Default: false, the ticks count from when it was set.
   */
  aligned?: boolean;
}

/** Options of a cron expression. */
export interface CrontabOptions extends TimingOptions {}

/** Options of {@link at}. */
export interface AtOptions extends Pick<TimingOptions, 'timezone' | 'jitter' | 'catchUp'> {}

const TIMING = ['timezone', 'startAt', 'endAt', 'jitter', 'catchUp'] as const;

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
  checkNames(options, TIMING, 'crontab');
  if (typeof when !== 'string' && (typeof when !== 'object' || when === null)) {
    throw new OptionError(
      `crontab: give an expression like '0 9 * * 1-5' or fields like { hour: 9 }, not ${show(when)}.`,
    );
  }
  const within = typeof when === 'string' ? options : { ...timingOf(when), ...present(options) };
  const expression = typeof when === 'string' ? readExpression(when) : readFields(fieldsOf(when));
  refuseNever(expression);
  return Object.freeze({ kind: 'crontab', expression, ...boundsOf(within, 'crontab') });
}

/**
 * A schedule at a fixed interval: the first tick comes one interval after it was set, the others at a steady pace,
 * even if some ticks run late.
 *
 * @throws {OptionError} for less than 10 ms, or for less than a second if aligned
 * @example every('30s')
 * @example every('1h', { aligned: true })
 */
export function every(interval: Duration, options: EveryOptions = {}): IntervalSchedule {
  checkNames(options, [...TIMING, 'aligned'], 'every');
  const everyMs = Math.round(toMs(interval, 'every'));
  const aligned = boolean(options.aligned, false, 'every: aligned');
  const least = aligned ? SHORTEST_ALIGNED_MS : SHORTEST_INTERVAL_MS;
  if (everyMs < least)
    throw new OptionError(`every: ${show(interval)} is too short; the least is ${least} ms.`);
  return Object.freeze({
    kind: 'every',
    everyMs,
    ...(aligned && { aligned: true as const }),
    ...boundsOf(options, 'every'),
  });
}

/**
 * A schedule that ticks once. The entry stays afterwards, without a next tick.
 *
 * @throws {OptionError} for anything but a moment
 * @example at('2027-01-01T00:00:00Z')
 */
export function at(moment: Moment, options: AtOptions = {}): OnceSchedule {
  checkNames(options, ['timezone', 'jitter', 'catchUp'], 'at');
  return Object.freeze({ kind: 'at', at: momentText(moment, 'at'), ...boundsOf(options, 'at') });
}

/** The options of timing among the fields of a crontab. */
function timingOf(when: TimingOptions): TimingOptions {
  return present(Object.fromEntries(TIMING.map((name) => [name, when[name]])));
}

function fieldsOf(when: CronFields & TimingOptions): CronFields {
  const { startAt: _, endAt: __, jitter: ___, catchUp: ____, ...fields } = when;
  return fields;
}

function boundsOf(options: TimingOptions, where: string): ScheduleBounds {
  const { timezone, startAt, endAt, jitter, catchUp } = options;
  if (catchUp !== undefined && !CATCH_UP.includes(catchUp))
    throw new OptionError(`${where}: catchUp ${show(catchUp)} must be 'last', 'all' or 'none'.`);
  const zone = timezone === undefined ? undefined : checkTimezone(timezone, where);
  const first = startAt === undefined ? undefined : momentText(startAt, `${where}: startAt`);
  const last = endAt === undefined ? undefined : momentText(endAt, `${where}: endAt`);
  if (
    first !== undefined &&
    last !== undefined &&
    toEpochMs(first, where, zone) > toEpochMs(last, where, zone)
  )
    throw new OptionError(`${where}: startAt ${first} is later than endAt ${last}, so it would never tick.`);
  const jitterMs = jitter === undefined ? undefined : toPositiveMs(jitter, `${where}: jitter`);
  return {
    ...(zone !== undefined && { timezone: zone }),
    ...(first !== undefined && { startAt: first }),
    ...(last !== undefined && { endAt: last }),
    ...(jitterMs !== undefined && { jitterMs }),
    ...(catchUp !== undefined && { catchUp }),
  };
}

/** A moment as text. One without a zone stays so: the zone may be the app's, which is not known here. */
function momentText(moment: Moment, where: string): string {
  const epochMs = toEpochMs(moment, where);
  return typeof moment === 'string' ? moment : new Date(epochMs).toISOString();
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
