/** Tables: what gives way in which order when the terminal is small. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import pc from 'picocolors';
import { renderTable } from '#src/cli/text/table.js';
import { widthOf } from '#src/cli/text/width.js';

const colors = pc.createColors(false);
const COLUMNS = [
  { title: 'id', keep: true },
  { title: 'task', name: true },
  { title: 'queue', name: true },
  { title: 'failed', keep: true },
  { title: 'error', below: true },
];
const AT = '2026-11-28T23:13:15Z';
const ERROR = 'RangeError: the customer 41 has no address: nothing to send to, see the record of the order';
const row = (id: string, task = 'mail.send') => [id, task, 'celeriac', AT, ERROR];
const table = (rows: string[][], columns: number) => renderTable(COLUMNS, rows, { colors, columns });

describe('a table', () => {
  it('puts a sentence below its row before it cuts it to nothing', () => {
    assert.deepEqual(table([row('4clxdwtevxy9-0@celeriac')], 80), [
      'ID                       TASK       QUEUE     FAILED',
      '4clxdwtevxy9-0@celeriac  mail.send  celeriac  2026-11-28T23:13:15Z',
      '  error  RangeError: the customer 41 has no address: nothing to send to, see th…',
    ]);
  });

  it('cuts the sentence where enough of it is left', () => {
    const [, line = ''] = table([row('4clxdwtevxy9')], 90);
    assert.match(
      line,
      /^4clxdwtevxy9 {2}mail\.send {2}celeriac {2}2026-11-28T23:13:15Z {2}RangeError: .{20,}…$/,
    );
    assert.equal(widthOf(line), 90);
  });

  it('keeps both ends of a name, and ids and moments whole', () => {
    const [, line] = table([row('4clxdwtevxy9-0@celeriac', 'shop.mail.reminders.send_to_customer')], 80);
    assert.equal(line, '4clxdwtevxy9-0@celeriac  shop.mail.r…to_customer  celeriac  2026-11-28T23:13:15Z');
  });

  it('becomes blocks where the ids alone fill the terminal', () => {
    assert.deepEqual(table([row(`invoice-${'7'.repeat(60)}`), row('b')], 60).slice(0, 8), [
      `ID      invoice-${'7'.repeat(18)}…${'7'.repeat(25)}`,
      'TASK    mail.send',
      'QUEUE   celeriac',
      `FAILED  ${AT}`,
      'ERROR   RangeError: the customer 41 has no address: nothing…',
      '',
      'ID      b',
      'TASK    mail.send',
    ]);
  });

  it('has everything in a pipe', () => {
    const lines = table([row('a'.repeat(200), '日本語')], Number.POSITIVE_INFINITY);
    assert.equal(lines.length, 2);
    assert.ok(lines[1]?.includes('a'.repeat(200)) && lines[1].endsWith(ERROR));
  });

  it('counts columns of the screen, not characters', () => {
    const [head, one, two] = renderTable(
      [
        { title: 'task', name: true },
        { title: 'n', right: true },
      ],
      [
        ['日本語', '1'],
        ['cafe\u0301👩‍👩‍👧', '10'],
      ],
      { colors, columns: 80 },
    );
    assert.deepEqual([head, one, two], ['TASK     N', '日本語   1', 'cafe\u0301👩‍👩‍👧  10']);
  });

  it('fits, whatever is in it and however wide the terminal is', () => {
    const cell = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 50 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell, cell, cell), { maxLength: 3 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, columns) => {
          for (const line of table(rows, columns)) assert.ok(widthOf(line) <= columns, JSON.stringify(line));
        },
      ),
      { numRuns: 12 },
    );
  });
});
