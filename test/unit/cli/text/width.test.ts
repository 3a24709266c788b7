/** Text measured and cut as a terminal shows it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cutEnd, cutMiddle, padEnd, padStart, widthOf, wrap } from '#src/cli/text/width.js';

const anything = fc.string({ unit: 'grapheme', maxLength: 40 });
const widths = fc.integer({ min: 0, max: 40 });

describe('cutting', () => {
  it('leaves what fits, and takes no half of a character', () => {
    assert.equal(cutEnd('日本語', 6), '日本語');
    assert.equal(cutEnd('日本語', 5), '日本…');
    assert.equal(cutEnd('日本語', 4), '日…');
    assert.equal(cutMiddle('reports@web-7f9c-xk2vj', 11), 'repor…xk2vj');
    assert.equal(cutMiddle('東京都千代田区', 9), '東京…田区');
    assert.equal(cutEnd('👩‍👩‍👧👩‍👩‍👧', 3), '👩‍👩‍👧…');
  });

  it('never gives more than the width', () => {
    fc.assert(
      fc.property(anything, widths, (text, width) => {
        for (const cut of [cutEnd, cutMiddle]) {
          assert.ok(widthOf(cut(text, width)) <= width);
          if (widthOf(text) <= width) assert.equal(cut(text, width), text);
        }
      }),
    );
  });

  it('does not read a text of megabytes to its end', () => {
    const long = '日'.repeat(5_000_000);
    assert.equal(widthOf(cutMiddle(long, 11)), 11);
    assert.equal(cutEnd(long, 3), '日…');
  });
});

describe('padding', () => {
  it('fills up to the width on the screen', () => {
    assert.deepEqual(
      [padEnd('日本', 6), padStart('日', 4), padEnd('toolong', 3)],
      ['日本  ', '  日', 'toolong'],
    );
  });
});

describe('wrapping', () => {
  it('breaks between words, and within one that is too long', () => {
    assert.deepEqual(wrap('one two threefourfive', 8), ['one two', 'threefou', 'rfive']);
    assert.deepEqual(wrap('', 8), ['']);
  });

  it('loses nothing, and fits', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 2, max: 40 }), (text, width) => {
        const lines = wrap(text, width);
        const single = (line: string) => [...new Intl.Segmenter().segment(line)].length === 1;
        assert.ok(lines.every((line) => widthOf(line) <= width || single(line)));
        assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
      }),
    );
  });
});
