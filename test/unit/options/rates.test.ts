import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError } from 'celeriac';
import fc from 'fast-check';
import { paceOf, toRate } from '#src/options/rates.js';

describe('Rates', () => {
  it('are read as people write them', () => {
    assert.deepEqual(toRate('10/s', 'here'), { count: 10, periodMs: 1000 });
    assert.deepEqual(toRate('100/m', 'here'), { count: 100, periodMs: 60_000 });
    assert.deepEqual(toRate('5/h', 'here'), { count: 5, periodMs: 3_600_000 });
  });

  it('are refused with the value and what would be right', () => {
    for (const wrong of ['10', '10/d', '0/s', '-1/s', '1.5/s', '', ' 1/s', 10, null, undefined, {}]) {
      assert.throws(() => toRate(wrong, 'task "x": rateLimit'), OptionError);
    }
    assert.throws(() => toRate('10 per s', 'here'), /here: "10 per s" is not a rate.*'10\/s'/);
  });

  const rates = fc.record({
    count: fc.integer({ min: 1, max: 5000 }),
    periodMs: fc.constantFrom(1000, 60_000, 3_600_000),
  });

  it('are kept by their pace in every window, whenever starts are asked for', () => {
    fc.assert(
      fc.property(
        rates,
        fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { maxLength: 400 }),
        (rate, pauses) => {
          const grants = grantsAt(rate, pauses);
          grants.forEach((at, i) => {
            const beyond = grants[i + rate.count];
            if (beyond !== undefined) assert.ok(beyond - at >= rate.periodMs, `${beyond - at} ms`);
          });
        },
      ),
    );
  });

  it('are given at nine tenths at least, also by a worker that is late each time', () => {
    fc.assert(
      fc.property(rates, (rate) => {
        const { intervalMs, burst } = paceOf(rate);
        // What a late start misses is made up for as long as the burst covers it.
        const lateMs = Math.max(0, 4 - (burst - 1) * intervalMs);
        assert.ok(rate.periodMs / (intervalMs + lateMs) >= rate.count * 0.9);
      }),
    );
  });
});

/** Every start the pace grants when it is asked for after each of these pauses, in intervals. */
function grantsAt(rate: { count: number; periodMs: number }, pauses: readonly number[]): number[] {
  const { intervalMs, burst } = paceOf(rate);
  const grants: number[] = [];
  let next = 0;
  let now = 0;
  for (const pause of pauses) {
    now += pause * intervalMs;
    if (next - (burst - 1) * intervalMs > now) continue;
    next = Math.max(next, now) + intervalMs;
    grants.push(now);
  }
  return grants;
}
