import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { browserJson } from '#src/web/follow/browser-json.js';

describe('values for browsers', () => {
  it('are JSON, also those that JSON does not know', () => {
    const at = new Date(0);
    const value = {
      plain: [1, 'two', null, true],
      at,
      big: 2n ** 70n,
      map: new Map<unknown, unknown>([['a', new Set([1, 2n])]]),
      error: new RangeError('no more'),
      bytes: new Uint8Array([1, 2]),
      url: new URL('https://a.example/b'),
      nothing: undefined,
      no: Number.NaN,
    };
    assert.deepEqual(JSON.parse(browserJson(value)), {
      plain: [1, 'two', null, true],
      at: '1970-01-01T00:00:00.000Z',
      big: '1180591620717411303424',
      map: [['a', [1, '2']]],
      error: { name: 'RangeError', message: 'no more' },
      bytes: [1, 2],
      url: 'https://a.example/b',
      no: null,
    });
  });

  it('never throw, and stay on one line', () => {
    const round: { self?: unknown; text: string } = { text: 'a\nb\u2028' };
    round.self = round;
    const text = browserJson({ index: 0, value: round });
    assert.doesNotMatch(text, /\n/);
    assert.equal((JSON.parse(text) as { value: { text: string } }).value.text, 'a\nb\u2028');
    const hostile = { toJSON: () => assert.fail('asked') };
    assert.equal(typeof JSON.parse(browserJson({ value: hostile })), 'object');
  });
});
