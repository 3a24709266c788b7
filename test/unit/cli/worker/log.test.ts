/** The lines of the worker's log, as text and as JSON. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger, type LogFormat } from '#src/cli/worker/log.js';
import { type LogLevel, parseLogLevel } from '#src/options/logger.js';
import { steering } from '../../../support/steering.js';

function logger(format: LogFormat, level: LogLevel = 'info', color = false) {
  const lines: string[] = [];
  const log = createLogger({
    format,
    level,
    color,
    write: (line) => lines.push(line),
    node: () => 'celeriac@host',
    now: () => new Date(2026, 10, 22, 18, 52, 34, 7).getTime(),
  });
  return { log, lines };
}

describe('the text log', () => {
  it('reads as Celery’s: time, level, node, message, then fields', () => {
    const { log, lines } = logger('text');
    log.info({ port: 9100, host: 'a b', awayMs: 5230, gone: undefined }, 'listening');
    log.info({ task: 'add', taskId: '7', runtimeMs: 520 }, 'task succeeded');
    assert.deepEqual(lines, [
      '[2026-11-22 18:52:34,007: INFO/celeriac] listening port=9100 host="a b" away=5.2s\n',
      '[2026-11-22 18:52:34,007: INFO/celeriac] Task add[7] succeeded in 0.52s\n',
    ]);
  });

  it('shows the stack of an error below its line, for errors', () => {
    const { log, lines } = logger('text');
    log.error({ error: new TypeError('no\nway') }, 'it failed');
    log.warn({ error: new TypeError('short') }, 'odd');
    assert.match(
      lines[0] ?? '',
      /ERROR\/celeriac\] it failed error="TypeError: no\\nway"\n {4}at .*log\.test/,
    );
    assert.equal(lines[1]?.trim().split('\n').length, 1);
  });

  it('shows the causes too, and of a broken connection no stack', () => {
    const { log, lines } = logger('text');
    const cause = new RangeError('disk\nfull');
    log.error({ task: 'add', taskId: '7', runtimeMs: 4, error: new Error('no', { cause }) }, 'task failed');
    log.error({ error: Object.assign(new Error('refused'), { syscall: 'connect' }) }, 'lost the broker');
    assert.match(
      lines[0] ?? '',
      /\] Task add\[7\] failed in 0\.004s: Error: no\n( {4}at .*\n)+ {2}caused by RangeError: disk\\nfull\n {4}at/,
    );
    assert.match(lines[1] ?? '', /lost the broker error="Error: refused"\n$/);
  });

  it('leaves out the frames between the package and the task, except for debugging', () => {
    const ours = import.meta.resolve('#src/worker/run/execute.js');
    const error = Object.assign(new Error('no'), {
      stack: `Error: no\n    at Report.make (/my/tasks.ts:3:1)\n    at invoke (${fileURLToPath(ours)}:9:9)`,
    });
    for (const [level, shown] of [
      ['info', false],
      ['debug', true],
    ] as const) {
      const { log, lines } = logger('text', level);
      log.error({ error }, 'it failed');
      assert.match(lines[0] ?? '', /at Report\.make \(\/my\/tasks\.ts:3:1\)\n/);
      assert.equal(/execute\.js/.test(lines[0] ?? ''), shown);
    }
  });

  it('is coloured only when it may be', () => {
    const plain = logger('text');
    const colored = logger('text', 'info', true);
    for (const { log } of [plain, colored]) log.warn({ a: 1 }, 'careful');
    assert.ok(!plain.lines.join().includes('\u001b'));
    assert.ok(colored.lines.join().includes('\u001b'));
  });

  it('leaves out what is below its level, but never what must be said', () => {
    const { log, lines } = logger('text', 'error');
    log.debug({}, 'a');
    log.info({}, 'b');
    log.warn({}, 'c');
    log.error({}, 'd');
    log.always({}, 'ready');
    assert.deepEqual(
      lines.map((line) => line.split('] ')[1]),
      ['d\n', 'ready\n'],
    );
  });
});

describe('the JSON log', () => {
  it('is one object a line, with errors readable', () => {
    const { log, lines } = logger('json');
    log.error(
      { task: 'add', error: new RangeError('far', { cause: new Error('why') }), big: 1n, node: 'other@host' },
      'task failed',
    );
    assert.equal(lines.length, 1);
    const entry = JSON.parse(lines[0] ?? '');
    assert.equal(entry.error.cause.message, 'why');
    assert.deepEqual(
      { ...entry, time: typeof entry.time, error: entry.error.message },
      {
        time: 'string',
        level: 'error',
        node: 'other@host',
        message: 'task failed',
        task: 'add',
        error: 'far',
        big: '1',
      },
    );
  });

  it('loses no line to a field that cannot be written', () => {
    const { log, lines } = logger('json');
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    log.info({ circle }, 'odd');
    assert.equal(JSON.parse(lines[0] ?? '').message, 'odd');
  });
});

describe('log levels', () => {
  it('go by Celery’s names too, in any case', () => {
    assert.deepEqual(
      ['DEBUG', 'Warning', 'warn', 'CRITICAL'].map((name) => parseLogLevel(name, '-l')),
      ['debug', 'warn', 'warn', 'error'],
    );
    assert.throws(
      () => parseLogLevel('inof', '--loglevel'),
      /"inof" is not a log level\. Did you mean "info"\?/,
    );
  });
});

describe('a line with words from afar', () => {
  const evil = 'x\u001b[2J\u001b]0;owned\u0007\u009b31m\r\n[2030-01-01: ERROR] forged\u2028\u202e';
  for (const format of ['text', 'json'] as const) {
    it(`is one line, and steers no terminal, as ${format}`, () => {
      const { log, lines } = logger(format, 'debug');
      const error = Object.assign(new Error(evil), { name: evil });
      log.error({ task: evil, taskId: evil, error, [evil]: evil, node: evil }, 'task failed');
      log.info({ [evil]: { [evil]: evil } }, evil);
      log.warn({ task: 'a', taskId: 'b' }, evil);
      for (const line of lines) {
        assert.deepEqual(steering(line), []);
        assert.doesNotMatch(line, /^\[2030-01-01: ERROR\] forged/m);
      }
      assert.equal(lines[1]?.split('\n').length, 2);
    });
  }
});
