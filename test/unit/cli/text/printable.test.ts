/** Foreign text never controls a terminal. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coloredText } from '#src/cli/text/printable.js';

describe('Text of the prompt', () => {
  it('keeps lines and colors, and no other code', () => {
    assert.equal(coloredText('\u001b[31mred\u001b[39m\n\tnext'), '\u001b[31mred\u001b[39m\n\tnext');
    assert.equal(coloredText('a\u001b]0;title\u0007b\u001b[2Jc'), 'a·]0;title·b·[2Jc');
  });
});
