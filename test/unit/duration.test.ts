import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toEpochMs } from '#src/duration.js';
import { OptionError } from '#src/errors.js';
import { resolveCall } from '#src/options/call-options.js';

const at = (text: string, timezone?: string) => new Date(toEpochMs(text, 'eta', timezone)).toISOString();

describe('A moment', () => {
  it('is a Date, or ISO 8601 text with its zone', () => {
    assert.equal(toEpochMs(new Date(5), 'eta'), 5);
    assert.equal(at('2026-05-31T09:00:00Z'), '2026-05-31T09:00:00.000Z');
    assert.equal(at('2026-05-31T09:00:00.1234+02:00'), '2026-05-31T07:00:00.123Z');
    assert.equal(at('2026-05-31T09:00-0330', 'Asia/Tokyo'), '2026-05-31T12:30:00.000Z');
    assert.equal(at('2026-05-31 09:00:30,5+01'), '2026-05-31T08:00:30.500Z');
  });

  it('without a zone counts in the app’s, a bare date from its midnight there', () => {
    assert.equal(at('2026-05-31T09:00:00'), '2026-05-31T09:00:00.000Z');
    assert.equal(at('2026-05-31T09:00:00', 'Europe/Rome'), '2026-05-31T07:00:00.000Z');
    assert.equal(at('2026-12-31', 'Europe/Rome'), '2026-12-30T23:00:00.000Z');
    assert.equal(resolveCall({ eta: '1970-01-02' }, 0, 'x', 'Asia/Tokyo').etaAt, 15 * 3_600_000);
    assert.equal(resolveCall({ expires: '1970-01-02' }, 0, 'x', 'Asia/Tokyo').expiresAt, 15 * 3_600_000);
  });

  it('that no calendar has is refused', () => {
    const none = [
      '1',
      '2026',
      '2026-05',
      '2026-02-31',
      '2026-13-01',
      '2026-05-31T25:00Z',
      '2026-05-31T09:60Z',
    ];
    const odd = ['', 'tomorrow', '31.5.2026', '2026-05-31T09:00+30:00', '2026-05-31T09', 'Sun May 31 2026'];
    for (const text of [...none, ...odd, new Date(Number.NaN), 5, null])
      assert.throws(() => toEpochMs(text, 'eta'), OptionError, String(text));
  });
});
