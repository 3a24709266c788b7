import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crontab } from 'celeriac';
import fc from 'fast-check';
import { lastTick, nextTick } from '#src/schedules/ticks.js';

const ZONES = [
  'UTC',
  'Europe/Rome',
  'America/New_York',
  'America/Santiago',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'Pacific/Chatham',
];
const MINUTE = 60_000;

const fields = fc.record({
  minute: fc.oneof(fc.constant('*'), fc.constantFrom('*/5', '*/20'), fc.integer({ min: 0, max: 59 })),
  hour: fc.oneof(fc.constant('*'), fc.constantFrom('*/2', '1-3', '0-4'), fc.integer({ min: 0, max: 23 })),
  dayOfMonth: fc.oneof(fc.constant('*'), fc.constant('*'), fc.integer({ min: 1, max: 28 })),
  dayOfWeek: fc.oneof(fc.constant('*'), fc.constant('*'), fc.integer({ min: 0, max: 7 })),
});
const zone = fc.constantFrom(...ZONES);
/** Days of 2026 on which some clock is set, and any other. */
const moment = fc.oneof(
  fc
    .constantFrom(
      '2026-03-08',
      '2026-03-28',
      '2026-03-29',
      '2026-04-04',
      '2026-04-05',
      '2026-04-23',
      '2026-04-24',
      '2026-09-05',
      '2026-09-06',
      '2026-09-26',
      '2026-10-03',
      '2026-10-24',
      '2026-10-25',
      '2026-10-29',
      '2026-11-01',
    )
    .chain((day) =>
      fc.integer({ min: 0, max: 1439 }).map((m) => Date.parse(`${day}T00:00:00Z`) + m * MINUTE),
    ),
  fc.integer({ min: 0, max: 364 * 1440 }).map((m) => Date.parse('2026-01-01T00:00:00Z') + m * MINUTE),
);

describe('the ticks of a crontab', () => {
  it('come after the moment asked for, on whole minutes, and asking again finds the same ones', () => {
    fc.assert(
      fc.property(
        fields,
        zone,
        moment,
        fc.integer({ min: 0, max: MINUTE - 1 }),
        (given, timezone, at, ms) => {
          const course = { schedule: crontab(given), timezone, anchorAt: 0 };
          const next = nextTick(course, at + ms);
          assert.ok(next !== undefined && next > at + ms);
          assert.equal(next % MINUTE, 0);
          // Nothing lies between, and the tick is found from everywhere before it.
          assert.equal(nextTick(course, next - 1), next);
          assert.equal(lastTick(course, next, next + MINUTE - 1), next);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are the minutes whose wall clock matches, where no clock is set', () => {
    const quiet = fc
      .integer({ min: 0, max: 20 * 1440 })
      .map((m) => Date.parse('2026-06-01T00:00:00Z') + m * MINUTE);
    fc.assert(
      fc.property(fields, zone, quiet, (given, timezone, at) => {
        const next = nextTick({ schedule: crontab(given), timezone, anchorAt: 0 }, at) ?? 0;
        const matches = matcher(given, timezone);
        assert.ok(matches(next), 'a tick matches');
        const looked = Math.min(next, at + 2 * 1440 * MINUTE);
        for (let minute = at + MINUTE; minute < looked; minute += MINUTE) assert.ok(!matches(minute));
      }),
      { numRuns: 40 },
    );
  });

  it('are one a day for a fixed time of day, whatever is done to the clock', () => {
    const time = fc.record({
      minute: fc.integer({ min: 0, max: 59 }),
      hour: fc.integer({ min: 0, max: 23 }),
    });
    fc.assert(
      fc.property(time, zone, (given, timezone) => {
        const course = { schedule: crontab(given), timezone, anchorAt: 0 };
        const days: string[] = [];
        let at = Date.parse('2025-12-31T12:00:00Z');
        const name = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
        while (days.length < 366) {
          at = nextTick(course, at) ?? 0;
          days.push(name.format(at));
        }
        assert.equal(new Set(days).size, days.length);
      }),
      { numRuns: 12 },
    );
  });
});

/** Another way to say what the fields mean. */
function matcher(given: Record<string, string | number>, timeZone: string): (at: number) => boolean {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    weekday: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const WEEK = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const day = fits(given.dayOfMonth, Number(parts.get('day')));
    const week = fits(given.dayOfWeek, WEEK.indexOf(parts.get('weekday') ?? ''), 7);
    const either = given.dayOfMonth !== '*' && given.dayOfWeek !== '*';
    return (
      fits(given.minute, Number(parts.get('minute'))) &&
      fits(given.hour, Number(parts.get('hour'))) &&
      (either ? day || week : day && week)
    );
  };
}

function fits(field: string | number | undefined, value: number, modulo = 100): boolean {
  if (typeof field === 'number') return field % modulo === value;
  const [range = '', step = '1'] = String(field).split('/');
  const [from, to] = range === '*' ? [0, 99] : range.split('-').map(Number);
  return value >= (from ?? 0) && value <= (to ?? 0) && (value - (from ?? 0)) % Number(step) === 0;
}
