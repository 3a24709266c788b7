import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkPrinter } from '#src/cli/commands/print-chunks.js';
import { createOutput } from '#src/cli/output.js';

describe('Printed chunks', () => {
  const printed = async (terminal: boolean, chunks: readonly unknown[]) => {
    let seen = '';
    const out = createOutput({
      write: (text) => {
        seen += text;
      },
      writeNote: (text) => {
        seen += `! ${text}`;
      },
      drained: async () => undefined,
      terminal,
      columns: 80,
      colored: false,
      coloredNotes: false,
    });
    const printer = new ChunkPrinter(out, false);
    const entries = async function* () {
      for (const [index, chunk] of chunks.entries()) yield { index, chunk, attempt: 0, at: new Date(0) };
    };
    await printer.print({ stream: () => ({ entries }) } as never);
    printer.note('SUCCESS');
    assert.equal(printer.count, chunks.length);
    return seen;
  };

  it('are byte for byte in a pipe, and leave a line of their own to what follows in a terminal', async () => {
    assert.equal(await printed(false, ['a', 'b']), 'ab! SUCCESS\n');
    assert.equal(await printed(true, ['a', 'b']), 'ab\n! SUCCESS\n');
    assert.equal(await printed(true, ['a\n', '']), 'a\n! SUCCESS\n');
    assert.equal(await printed(true, ['a', { n: 1 }]), 'a\n{"n":1}\n! SUCCESS\n');
    assert.equal(await printed(true, []), '! SUCCESS\n');
  });
});
