import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { toEpochMs, toMs, toPositiveMs } from '#src/duration.js';
import { OptionError } from '#src/errors.js';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

describe('durations', () => {
  it('are milliseconds, or a number with a unit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.constantFrom('ms', 's', 'm', 'h', 'd'),
        (count, unit) => {
          assert.equal(toMs(count, 'x'), count);
          assert.equal(toMs(`${count}${unit}`, 'x'), count * UNITS[unit]);
        },
      ),
    );
  });

  it('are refused with OptionError, naming the option, when they are anything else', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        if (typeof value === 'number' && Number.isFinite(value)) return;
        if (typeof value === 'string' && /^-?\d+(\.\d+)?(ms|s|m|h|d)$/.test(value)) return;
        assert.throws(
          () => toMs(value, 'countdown'),
          (error) => error instanceof OptionError && error.message.startsWith('countdown:'),
        );
      }),
    );
    assert.throws(() => toMs('10', 'x'), OptionError);
    assert.throws(() => toPositiveMs('-1s', 'x'), /negative/);
  });
});

describe('moments', () => {
  it('are dates or their ISO text', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        assert.equal(toEpochMs(date, 'eta'), date.getTime());
        assert.equal(toEpochMs(date.toISOString(), 'eta'), date.getTime());
      }),
    );
    assert.throws(() => toEpochMs(new Date(Number.NaN), 'eta'), OptionError);
    assert.throws(() => toEpochMs('soon', 'eta'), OptionError);
  });
});
