/** Tables and durations for people. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pc from 'picocolors';
import { describeError } from '#src/cli/exit.js';
import { humanDuration, renderTable } from '#src/cli/output.js';

const colors = pc.createColors(false);
const columns = [{ title: 'id', keep: true }, { title: 'args' }];
const rows = [['0123456789abcdef', 'x'.repeat(200)]];

describe('tables', () => {
  it('fit into the terminal; ids stay whole, the rest gives way', async () => {
    const lines = (await renderTable(columns, rows, { colors, columns: 80 }, '  ')).split('\n');
    assert.ok(
      lines.every((line) => line.length <= 80),
      lines.join('\n'),
    );
    assert.match(lines[1] ?? '', /^ {2}0123456789abcdef {2}x+…$/);
  });

  it('keep everything when nobody looks at a terminal', async () => {
    const text = await renderTable(columns, rows, { colors, columns: Number.POSITIVE_INFINITY });
    assert.ok(text.includes('x'.repeat(200)));
  });
});

describe('what comes from afar', () => {
  const evil = 'Error: \u001b[2J\u001b]0;owned\u0007gone\u009b31m';
  const controls = (text: string) =>
    [...text].filter((char) => char < ' ' || (char > '~' && char < '\u00a0'));

  it('steers no terminal out of a table or an error', async () => {
    const table = await renderTable(columns, [[evil, evil]], { colors, columns: 80 });
    assert.deepEqual(controls(table.replaceAll('\n', '')), []);
    assert.deepEqual(controls(describeError(new RangeError(evil), false)), []);
    assert.match(table, /Error: ·\[2J/);
  });
});

describe('durations', () => {
  it('are short', () => {
    const given = [12, 3240, 64_000, 3_840_000, 90_000_000];
    assert.deepEqual(given.map(humanDuration), ['12ms', '3.2s', '1m 4s', '1h 4m', '1d 1h']);
  });
});
