import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { at, Celeriac, type CronFields, crontab, every, OptionError, type Schedule } from 'celeriac';
import { checkSchedule } from '#src/options/schedules.js';
import { lastTick, nextTick } from '#src/schedules/ticks.js';

const course = (schedule: Schedule, timezone = 'UTC', anchorAt = 0) => ({ schedule, timezone, anchorAt });

/** The ticks after a moment, as ISO texts. */
function ticks(schedule: Schedule, from: string, n: number, timezone = 'UTC'): string[] {
  const found: string[] = [];
  let at = Date.parse(from);
  while (found.length < n) {
    const next = nextTick(course(schedule, timezone), at);
    if (next === undefined) break;
    at = next;
    found.push(new Date(at).toISOString().replace(':00.000Z', 'Z'));
  }
  return found;
}

describe('crontab', () => {
  it('is plain data, the same for both ways of writing it', () => {
    assert.deepEqual(crontab({ minute: '*/5' }), { kind: 'crontab', expression: '*/5 * * * *' });
    assert.deepEqual(crontab('0 9 * * 1-5', { timezone: 'Europe/Rome' }), {
      kind: 'crontab',
      expression: '0 9 * * 1-5',
      timezone: 'Europe/Rome',
    });
    const fields: CronFields = { minute: 0, hour: [9, '17'], dayOfWeek: 'mon-fri', monthOfYear: 'jan,jul' };
    assert.deepEqual(
      crontab({ ...fields, timezone: 'Asia/Tokyo' }),
      crontab('0 9,17 * jan,7 1-5', { timezone: 'Asia/Tokyo' }),
    );
    assert.deepEqual(crontab('@daily'), crontab({ minute: 0, hour: 0 }));
    assert.deepEqual(JSON.parse(JSON.stringify(crontab('@hourly'))), crontab('@hourly'));
  });

  it('ticks as standard cron does: 7 is Sunday, two day fields mean either, ranges may wrap', () => {
    assert.deepEqual(ticks(crontab('0 9 * * 7'), '2026-03-28T12:00:00Z', 2), [
      '2026-03-29T09:00Z',
      '2026-04-05T09:00Z',
    ]);
    assert.deepEqual(ticks(crontab({ dayOfWeek: 'sun', hour: 9, minute: 0 }), '2026-03-28T12:00:00Z', 1), [
      '2026-03-29T09:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 9 13 * 5'), '2026-03-05T00:00:00Z', 3), [
      '2026-03-06T09:00Z',
      '2026-03-13T09:00Z',
      '2026-03-20T09:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 9 15 * 5'), '2026-03-13T12:00:00Z', 2), [
      '2026-03-15T09:00Z',
      '2026-03-20T09:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 0 * * fri-mon'), '2026-03-25T00:00:00Z', 5), [
      '2026-03-27T00:00Z',
      '2026-03-28T00:00Z',
      '2026-03-29T00:00Z',
      '2026-03-30T00:00Z',
      '2026-04-03T00:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 22-2/2 * * *'), '2026-03-25T12:00:00Z', 4), [
      '2026-03-25T22:00Z',
      '2026-03-26T00:00Z',
      '2026-03-26T02:00Z',
      '2026-03-26T22:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 0 L * *'), '2027-02-01T00:00:00Z', 2), [
      '2027-02-28T00:00Z',
      '2027-03-31T00:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 0 29 2 *'), '2026-01-01T00:00:00Z', 2), [
      '2028-02-29T00:00Z',
      '2032-02-29T00:00Z',
    ]);
    assert.deepEqual(ticks(crontab('0 12 * * 5#2'), '2026-03-01T00:00:00Z', 1), ['2026-03-13T12:00Z']);
  });

  it('goes by the wall clock of its zone, else of the app', () => {
    const nine = crontab('0 9 * * *');
    assert.deepEqual(ticks(nine, '2026-01-10T00:00:00Z', 1, 'Europe/Rome'), ['2026-01-10T08:00Z']);
    assert.deepEqual(ticks(nine, '2026-07-10T00:00:00Z', 1, 'Europe/Rome'), ['2026-07-10T07:00Z']);
    const tokyo = crontab('0 9 * * *', { timezone: 'Asia/Tokyo' });
    assert.deepEqual(ticks(tokyo, '2026-01-10T00:00:00Z', 1, 'Europe/Rome'), ['2026-01-11T00:00Z']);
    assert.deepEqual(ticks(crontab('30 9 * * *'), '2026-01-10T00:00:00Z', 1, 'Asia/Kathmandu'), [
      '2026-01-10T03:45Z',
    ]);
  });

  it('runs what DST skips once, around the gap', () => {
    // Rome: 02:00 becomes 03:00 at 01:00 UTC.
    assert.deepEqual(ticks(crontab('30 2 * * *'), '2026-03-28T00:00:00Z', 3, 'Europe/Rome'), [
      '2026-03-28T01:30Z',
      '2026-03-29T01:30Z',
      '2026-03-30T00:30Z',
    ]);
    assert.deepEqual(ticks(crontab('0 2,3 * * *'), '2026-03-28T12:00:00Z', 3, 'Europe/Rome'), [
      '2026-03-29T01:00Z',
      '2026-03-30T00:00Z',
      '2026-03-30T01:00Z',
    ]);
    // Lord Howe sets its clock by half an hour, at 02:00; Cairo by an hour, at midnight.
    assert.deepEqual(ticks(crontab('15 2 * * *'), '2026-10-02T12:00:00Z', 3, 'Australia/Lord_Howe'), [
      '2026-10-02T15:45Z',
      '2026-10-03T15:45Z',
      '2026-10-04T15:15Z',
    ]);
    assert.deepEqual(ticks(crontab('20,35 2 4 10 *'), '2026-10-03T12:00:00Z', 2, 'Australia/Lord_Howe'), [
      '2026-10-03T15:35Z',
      '2026-10-03T15:50Z',
    ]);
    assert.deepEqual(ticks(crontab('30 0 * * *'), '2026-04-23T12:00:00Z', 2, 'Africa/Cairo'), [
      '2026-04-23T22:30Z',
      '2026-04-24T21:30Z',
    ]);
  });

  it('runs what DST doubles once, the first time; every so many minutes goes on through both', () => {
    // Rome: 03:00 becomes 02:00 at 01:00 UTC.
    assert.deepEqual(ticks(crontab('30 2 * * *'), '2026-10-24T12:00:00Z', 2, 'Europe/Rome'), [
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ]);
    assert.deepEqual(ticks(crontab('*/30 2 * * *'), '2026-10-24T12:00:00Z', 3, 'Europe/Rome'), [
      '2026-10-25T00:00Z',
      '2026-10-25T00:30Z',
      '2026-10-26T01:00Z',
    ]);
    assert.deepEqual(ticks(crontab('*/30 * * * *'), '2026-10-24T23:59:00Z', 5, 'Europe/Rome'), [
      '2026-10-25T00:00Z',
      '2026-10-25T00:30Z',
      '2026-10-25T01:00Z',
      '2026-10-25T01:30Z',
      '2026-10-25T02:00Z',
    ]);
    assert.deepEqual(ticks(crontab('45 1 * * *'), '2026-04-04T00:00:00Z', 2, 'Australia/Lord_Howe'), [
      '2026-04-04T14:45Z',
      '2026-04-05T15:15Z',
    ]);
  });

  it('is refused where it is written, by the name of the field', () => {
    const refusals: [() => unknown, RegExp][] = [
      [() => crontab('60 * * * *'), /minute "60".*0 to 59/],
      [() => crontab({ hour: 24 }), /hour "24"/],
      [() => crontab({ dayOfMonth: 0 }), /dayOfMonth "0"/],
      [() => crontab({ monthOfYear: 'march' }), /monthOfYear "march".*jan/],
      [() => crontab('* * * * 8'), /dayOfWeek "8"/],
      [() => crontab({ minute: '*/0' }), /minute/],
      [() => crontab({ minute: [] }), /minute/],
      [() => crontab({ minute: null as never }), /minute/],
      [() => crontab({ minute: 1.5 }), /minute/],
      [() => crontab({ minutes: 5 } as never), /"minutes".*Did you mean "minute"/],
      [() => crontab(''), /five fields/],
      [() => crontab('* * * * * *'), /five fields.*every/],
      [() => crontab('@often'), /five fields/],
      [() => crontab('H * * * *'), /minute "h"/],
      [() => crontab(5 as never), /not 5/],
      [() => crontab('0 0 31 2 *'), /never matches/],
      [() => crontab('0 0 * * *', { timezone: 'Rome' }), /"Rome".*IANA/],
      [() => crontab('0 0 * * *', { tz: 'Europe/Rome' } as never), /"tz"/],
    ];
    for (const [write, message] of refusals) {
      assert.throws(
        write,
        (error) => error instanceof OptionError && message.test(error.message),
        String(message),
      );
    }
  });
});

describe('every', () => {
  it('ticks one interval after it was set, and steadily from there', () => {
    assert.deepEqual(every('30s'), { kind: 'every', everyMs: 30_000 });
    const half = course(every('30s'), 'UTC', 1_000);
    assert.equal(nextTick(half, 1_000), 31_000);
    assert.equal(nextTick(half, 30_999), 31_000);
    assert.equal(nextTick(half, 31_000), 61_000);
    assert.equal(nextTick(half, 0), 31_000);
    assert.equal(lastTick(half, 31_000, 100_000), 91_000);
    assert.equal(lastTick(half, 31_000, 31_000), 31_000);
  });

  it('is refused when it is too short or no duration', () => {
    for (const wrong of [0, -1, 9, '1ms', '10', 'often', Number.NaN])
      assert.throws(() => every(wrong), OptionError);
  });
});

describe('the option schedule', () => {
  it('takes what crontab and every give, for one task at a time', () => {
    const app = new Celeriac('options');
    assert.throws(() => app.task('x', { schedule: '* * * * *' as never }, () => 1), /no schedule.*crontab/);
    assert.throws(() => app.task('x', { schedule: { kind: 'every' } as never }, () => 1), OptionError);
    for (const wrong of [
      { when: '* * * * *' },
      { when: every('5m'), arg: [1] },
      { when: every('5m'), args: 7 },
      [{ args: [1] }],
      [{ when: every('5m') }, { when: every('6m') }],
      { '': every('5m') },
      { a: 'b' },
    ])
      assert.throws(
        () => app.task('x', { schedule: wrong as never }, () => 1),
        OptionError,
        JSON.stringify(wrong),
      );
    app.task('x', { schedule: JSON.parse(JSON.stringify(every('5m'))) as Schedule }, () => 1);
    const taskDefaults = { schedule: every('5m') };
    assert.throws(() => new Celeriac('options', { taskDefaults }), /belongs to one task/);
    assert.throws(() => new Celeriac('options', { timezone: 'Rome' }), /"Rome".*IANA/);
  });
});

describe('the last tick before now', () => {
  it('is found over days of missed ones', () => {
    const from = Date.parse('2026-03-01T00:00:00Z');
    const now = Date.parse('2026-03-28T08:59:30Z');
    const last = (text: string) => new Date(lastTick(course(crontab(text)), from, now)).toISOString();
    assert.equal(last('* * * * *'), '2026-03-28T08:59:00.000Z');
    assert.equal(last('0 9 * * *'), '2026-03-27T09:00:00.000Z');
    assert.equal(last('0 9 1 * *'), '2026-03-01T09:00:00.000Z');
  });
});

describe('bounds of a schedule', () => {
  it('keep ticks between startAt and endAt, and begin an interval at startAt', () => {
    const bounds = { startAt: '2026-01-01T10:00:00Z', endAt: '2026-01-01T12:00:00Z' };
    assert.deepEqual(ticks(every('1h', bounds), '2025-12-01T00:00:00Z', 9), [
      '2026-01-01T10:00Z',
      '2026-01-01T11:00Z',
      '2026-01-01T12:00Z',
    ]);
    assert.deepEqual(ticks(crontab('30 * * * *', bounds), '2025-12-01T00:00:00Z', 9), [
      '2026-01-01T10:30Z',
      '2026-01-01T11:30Z',
    ]);
    const inZone = { startAt: '2026-07-01', timezone: 'Europe/Rome' };
    assert.deepEqual(ticks(every('1d', inZone), '2026-01-01T00:00:00Z', 1), ['2026-06-30T22:00Z']);
    // Without a zone of its own it is the app's.
    assert.deepEqual(ticks(at('2026-07-01T09:00'), '2026-01-01T00:00:00Z', 9, 'Europe/Rome'), [
      '2026-07-01T07:00Z',
    ]);
  });

  it('are read when they are written', () => {
    const later = { startAt: '2026-02-01T00:00:00Z', endAt: '2026-01-01T00:00:00Z' };
    assert.throws(() => every('1h', later), /later than endAt/);
    assert.throws(() => every('1h', { startAt: 'soon' }), OptionError);
    assert.throws(() => every('1h', { catchUp: 'some' as 'all' }), /'last', 'all' or 'none'/);
    assert.throws(() => every('1h', { jitter: '-1s' }), OptionError);
    assert.throws(() => every('500ms', { aligned: true }), /least is 1000 ms/);
    assert.throws(() => at('tomorrow'), OptionError);
    for (const odd of [
      { ...every('1h'), jitterMs: Number.NaN },
      { ...every('1h'), catchUp: 'some' },
      { kind: 'every', everyMs: 20, aligned: true },
      { ...every('1h'), endAt: 5 },
    ])
      assert.throws(() => checkSchedule(odd, 'here'), /is no schedule/, JSON.stringify(odd));
    assert.throws(() => at(new Date(Number.NaN)), OptionError);
    assert.deepEqual(at(new Date(0)), { kind: 'at', at: '1970-01-01T00:00:00.000Z' });
    assert.deepEqual(crontab({ hour: 9, minute: 0, jitter: '1m', timezone: 'UTC' }), {
      kind: 'crontab',
      expression: '0 9 * * *',
      timezone: 'UTC',
      jitterMs: 60_000,
    });
  });

  it('tick once at a moment', () => {
    assert.deepEqual(ticks(at('2026-07-01T09:00:00Z'), '2026-01-01T00:00:00Z', 9), ['2026-07-01T09:00Z']);
    assert.deepEqual(ticks(at('2026-07-01T09:00:00Z'), '2026-07-01T09:00:00Z', 9), []);
  });
});

describe('aligned intervals', () => {
  it('tick by the clock on the wall', () => {
    assert.deepEqual(ticks(every('1h', { aligned: true }), '2026-01-01T10:17:00Z', 2), [
      '2026-01-01T11:00Z',
      '2026-01-01T12:00Z',
    ]);
    const daily = every('1d', { aligned: true, timezone: 'Asia/Kolkata' });
    assert.deepEqual(ticks(daily, '2026-01-01T10:17:00Z', 2), ['2026-01-01T18:30Z', '2026-01-02T18:30Z']);
  });

  it('go on through a change of the clock: hours through both, days once', () => {
    // Rome: 03:00 becomes 02:00 on 2026-10-25 at 01:00 UTC, and 02:00 becomes 03:00 on 2026-03-29 at 01:00 UTC.
    const zone = { aligned: true, timezone: 'Europe/Rome' };
    assert.deepEqual(ticks(every('30m', zone), '2026-10-25T00:10:00Z', 4), [
      '2026-10-25T00:30Z',
      '2026-10-25T01:00Z',
      '2026-10-25T01:30Z',
      '2026-10-25T02:00Z',
    ]);
    assert.deepEqual(ticks(every('1d', zone), '2026-10-24T12:00:00Z', 2), [
      '2026-10-24T22:00Z',
      '2026-10-25T23:00Z',
    ]);
    assert.deepEqual(ticks(every('1d', zone), '2026-03-28T12:00:00Z', 2), [
      '2026-03-28T23:00Z',
      '2026-03-29T22:00Z',
    ]);
    assert.deepEqual(ticks(every('2h', zone), '2026-03-28T23:30:00Z', 2), [
      '2026-03-29T01:00Z',
      '2026-03-29T02:00Z',
    ]);
  });

  it('of minutes or seconds cost nothing beside a change of the clock, and tick by what it shows', () => {
    const zone = { aligned: true, timezone: 'Europe/Rome' };
    // 02:00 is 03:00 at 01:00 UTC: multiples of 7 minutes are elsewhere from then on.
    assert.deepEqual(ticks(every('7m', zone), '2026-03-29T00:50:00Z', 3), [
      '2026-03-29T00:51Z',
      '2026-03-29T00:58Z',
      '2026-03-29T01:01Z',
    ]);
    const seconds = ticks(every('7s', zone), '2026-03-29T00:50:00Z', 200).map((at) => Date.parse(at));
    const beyond = seconds.filter((at, i) => i > 0 && at - (seconds[i - 1] ?? 0) > 7_000);
    assert.deepEqual(beyond, []);
  });

  it('find the last tick as any other schedule does', () => {
    const first = Date.parse('2026-01-01T00:00:00Z');
    const now = Date.parse('2026-01-03T05:10:00Z');
    assert.equal(
      lastTick(course(every('1h', { aligned: true })), first, now),
      Date.parse('2026-01-03T05:00:00Z'),
    );
    const ended = every('1h', { startAt: new Date(first), endAt: '2026-01-02T00:30:00Z' });
    assert.equal(lastTick(course(ended), first, now), Date.parse('2026-01-02T00:00:00Z'));
  });
});
