/**
 * When schedules tick. Pure: reads no clock. Cron expressions and aligned intervals are evaluated in wall time, which
 * has no clock changes; one rule then converts each wall time to moments:
 *
 *   a wall time that is skipped         ticks once, as much later as the clock was set forward
 *   one that comes twice                ticks once, the first time;
 *     unless the schedule names no hours: "every 15 minutes" goes on through both
 */
import { CronExpressionParser } from 'cron-parser';
import { toEpochMs } from '../duration.js';
import { LARGEST_SHIFT_MS, LocalClock } from '../local-time.js';
import type { IntervalSchedule, Schedule } from '../options/schedules.js';
import { hoursOf } from './cron-fields.js';
import type { OwnNext } from './own-kinds.js';

/** A schedule with its time zone and its start. */
export interface Timing {
  readonly schedule: Schedule;
  /** Time zone of crontabs that name none. */
  readonly timezone: string;
  /** Start of the intervals, epoch ms. */
  readonly anchorAt: number;
  /** The code of a kind of its own. */
  readonly own?: OwnNext | undefined;
}

/** The first tick after a moment, epoch ms. `undefined` if there is none, or none for years. */
export function nextTick(timing: Timing, after: number): number | undefined {
  const { schedule } = timing;
  const zone = schedule.timezone ?? timing.timezone;
  const startAt = momentOf(schedule.startAt, zone);
  const endAt = momentOf(schedule.endAt, zone);
  const from = startAt === undefined ? after : Math.max(after, startAt - 1);
  const next = nextWithin(timing, { from, zone, startAt });
  return next !== undefined && endAt !== undefined && next > endAt ? undefined : next;
}

function nextWithin(
  { schedule, anchorAt, own }: Timing,
  {
    from,
    zone,
    startAt,
  }: { readonly from: number; readonly zone: string; readonly startAt: number | undefined },
): number | undefined {
  switch (schedule.kind) {
    case 'crontab': {
      const twice = hoursOf(schedule.expression) === undefined;
      return nextOfWall((wall) => wallTimes(schedule.expression, wall), {
        clock: new LocalClock(zone),
        from,
        twice,
      });
    }
    case 'own':
      return own?.(from);
    case 'at': {
      const at = toEpochMs(schedule.at, 'at', zone);
      return at > from ? at : undefined;
    }
    case 'every':
      if (schedule.aligned === true) return nextAligned(schedule, zone, from);
      if (startAt !== undefined)
        return startAt + (Math.floor((from - startAt) / schedule.everyMs) + 1) * schedule.everyMs;
      return (
        anchorAt + (Math.max(0, Math.floor((from - anchorAt) / schedule.everyMs)) + 1) * schedule.everyMs
      );
  }
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
  const { schedule } = course;
  const isPlain = schedule.kind === 'every' && schedule.aligned !== true && schedule.endAt === undefined;
  if (isPlain) return first + Math.floor((now - first) / schedule.everyMs) * schedule.everyMs;
  let last = first;
  for (;;) {
    const next = nextTick(course, last);
    if (next === undefined || next > now) return last;
    last = next;
  }
}

const HOUR_MS = 3_600_000;

function nextAligned({ everyMs }: IntervalSchedule, zone: string, from: number): number | undefined {
  const clock = new LocalClock(zone);
  if (everyMs <= HOUR_MS) return nextWithinHour(everyMs, clock, from);
  return nextOfWall((wall) => multiplesOf(everyMs, wall), { clock, from, twice: false });
}

/** The next multiple that the clock shows. Short intervals have no time of day: what the clock skips never comes. */
function nextWithinHour(everyMs: number, clock: LocalClock, from: number): number {
  const after = (at: number, offsetMs: number) =>
    (Math.floor((at + offsetMs) / everyMs) + 1) * everyMs - offsetMs;
  const next = after(from, clock.offsetAt(from));
  if (clock.offsetAt(next) === clock.offsetAt(from)) return next;
  let [before, changed] = [from, next];
  while (changed - before > 1) {
    const middle = Math.floor((before + changed) / 2);
    if (clock.offsetAt(middle) === clock.offsetAt(from)) before = middle;
    else changed = middle;
  }
  return after(before, clock.offsetAt(changed));
}

function* multiplesOf(everyMs: number, afterWall: number): Generator<number, undefined> {
  for (let wall = (Math.floor(afterWall / everyMs) + 1) * everyMs; ; wall += everyMs) yield wall;
}

function momentOf(text: string | undefined, zone: string): number | undefined {
  return text === undefined ? undefined : toEpochMs(text, 'a schedule', zone);
}

/** Wall times after a given one, in order. */
type WallTimes = (afterWall: number) => Generator<number, undefined>;

/** The search of a moment among wall times. */
interface WallSearch {
  readonly clock: LocalClock;
  /** Epoch ms; the moment found is later. */
  readonly from: number;
  /** Whether a wall time that comes twice ticks twice. */
  readonly twice: boolean;
}

function nextOfWall(wallTimesAfter: WallTimes, search: WallSearch): number | undefined {
  const { clock, from } = search;
  if (!clock.changesAround(from, LARGEST_SHIFT_MS)) {
    const [wall] = wallTimesAfter(clock.wallAt(from));
    if (wall === undefined) return undefined;
    const { moments, skipped } = clock.momentsOf(wall);
    // Skipped wall times are moved later, and may then come after later ones.
    if (!skipped) return moments[0];
  }
  return nextAroundChange(wallTimesAfter, search);
}

/** Around a clock change, wall times and moments differ in order: compare all candidates. */
function nextAroundChange(wallTimesAfter: WallTimes, { clock, from, twice }: WallSearch): number | undefined {
  let best: number | undefined;
  for (const wall of wallTimesAfter(clock.wallAt(from) - LARGEST_SHIFT_MS)) {
    if (best !== undefined && wall > clock.wallAt(best) + LARGEST_SHIFT_MS) break;
    const { moments } = clock.momentsOf(wall);
    const next = (twice ? moments : moments.slice(0, 1)).find((at) => at > from);
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
