/** What commands print: whole, and safe for the terminal it goes to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeError } from '#src/cli/exit.js';
import { createOutput, type Output } from '#src/cli/output.js';
import { humanDuration } from '#src/cli/text/human.js';
import { OptionError, TaskFailedError } from '#src/errors.js';
import { steering } from '../../support/steering.js';

const evil =
  'x\u001b[2J\u001b]0;owned\u0007\u009b31mgone\u0000\r\u0008\u2028\u202etxt.exe\u001b[31mred\u001b]8;;http://x\u0007';

function printed(
  { terminal = true, colored = false, columns = 80 },
  print: (out: Output) => void,
): { stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' };
  const write = (to: keyof typeof texts) => (text: string) => {
    texts[to] += text;
  };
  print(
    createOutput({
      write: write('stdout'),
      writeNote: write('stderr'),
      drained: () => Promise.resolve(),
      terminal,
      columns,
      colored,
      coloredNotes: colored,
    }),
  );
  return texts;
}

describe('what comes from afar', () => {
  const ways: Record<string, (out: Output) => void> = {
    line: (out) => out.line(`id ${evil}`),
    note: (out) => out.note(evil),
    value: (out) => out.value(evil),
    entry: (out) => out.entry('label  ', 7, evil, evil.repeat(20)),
    table: (out) => out.table([{ title: evil }, { title: 'error', below: true }], [[evil, evil.repeat(9)]]),
    json: (out) => out.json({ [evil]: evil }),
    'json in a line': (out) => out.jsonLine([evil]),
    'an error': (out) => out.line(describeError(new RangeError(evil), false)),
    'a stack': (out) => out.value(describeError(new RangeError(evil), true)),
    'an option': (out) => out.value(describeError(new OptionError(`-x: ${evil}`), false)),
    'a thrown text': (out) => out.note(describeError(evil, false)),
  };
  for (const [way, print] of Object.entries(ways)) {
    it(`steers no terminal out of ${way}`, () => {
      const { stdout, stderr } = printed({}, print);
      assert.ok((stdout + stderr).includes('gone'));
      assert.deepEqual(steering(stdout + stderr), []);
    });
  }

  it('begins no line of its own', () => {
    const forged = 'mine: REVOKED\nceleriac: all is well';
    const { stdout, stderr } = printed({}, (out) => {
      out.line(forged);
      out.table([{ title: 'id' }], [[forged]]);
      out.note(forged);
    });
    assert.equal(stdout.split('\n').length, 4);
    assert.equal(stderr.split('\n').length, 2);
  });

  it('cannot paint: only our own colors do', () => {
    const { stdout } = printed({ colored: true }, ({ line, colors }) =>
      line(`${colors.red(`a\u001b[32mb`)} \u001b[1mc`),
    );
    assert.equal(stdout, '\u001b[31ma·[32mb\u001b[39m ·[1mc\n');
  });

  it('is the same value in JSON', () => {
    const { stdout } = printed({ terminal: false }, (out) => out.json({ [evil]: [evil] }));
    assert.deepEqual(JSON.parse(stdout), { [evil]: [evil] });
  });
});

describe('values', () => {
  it('are the same bytes in a pipe, and keep their lines in a terminal', () => {
    assert.equal(printed({ terminal: false }, (out) => out.value(evil)).stdout, `${evil}\n`);
    assert.equal(printed({}, (out) => out.value('a\n\tb')).stdout, 'a\n\tb\n');
  });

  it('have no colors on a stream that is no terminal', () => {
    const { stdout } = printed({ terminal: false }, (out) => out.line(out.colors.bold('x')));
    assert.equal(stdout, 'x\n');
  });
});

describe('a line that is too long for the terminal', () => {
  it('goes on below its own beginning', () => {
    const { stdout } = printed({ columns: 40 }, (out) =>
      out.entry('args     ', 9, 'one two three four five six seven eight nine', 'ten'),
    );
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines[0], 'args     one two three four five six');
    assert.ok(lines.slice(1).every((line) => line.startsWith(' '.repeat(9))));
    assert.match(stdout, / ten\n$/);
  });

  it('is left alone in a pipe', () => {
    const { stdout } = printed({ terminal: false }, (out) => out.entry('args     ', 9, 'x '.repeat(99)));
    assert.equal(stdout.split('\n').length, 2);
  });
});

describe('JSON', () => {
  const json = (value: unknown) =>
    JSON.parse(printed({ terminal: false }, (out) => out.json(value)).stdout) as unknown;

  it('is one document whatever the value is', () => {
    assert.equal(json(undefined), null);
    assert.deepEqual(json([1n, /x/g, new Set([1]), new Map([['a', 1]]), new Uint8Array([1, 2])]), [
      '1',
      '/x/g',
      [1],
      { a: 1 },
      [1, 2],
    ]);
    const circle: { name: string; self?: unknown; map?: unknown } = { name: 'c' };
    circle.self = circle;
    circle.map = new Map([['up', circle]]);
    assert.deepEqual(json([circle, circle]), [
      { name: 'c', self: '[circular]', map: { up: '[circular]' } },
      { name: 'c', self: '[circular]', map: { up: '[circular]' } },
    ]);
  });

  it('says of an error what it says, and keeps whatever it carries', () => {
    const cause = new RangeError('no');
    Object.defineProperty(cause, '__proto__', { value: { a: 1 }, enumerable: true });
    const failed = json(new TaskFailedError({ taskId: 'a', errorName: 'RangeError', message: 'no', cause }));
    assert.ok(typeof failed === 'object' && failed !== null && 'cause' in failed);
    assert.equal(Reflect.get(failed, 'taskId'), 'a');
    assert.deepEqual(Object.entries(failed.cause as object), [
      ['name', 'RangeError'],
      ['message', 'no'],
      ['__proto__', { a: 1 }],
    ]);
  });
});

describe('durations', () => {
  it('are short', () => {
    const given = [12, 3240, 64_000, 3_840_000, 90_000_000];
    assert.deepEqual(given.map(humanDuration), ['12ms', '3.2s', '1m 4s', '1h 4m', '1d 1h']);
  });
});
