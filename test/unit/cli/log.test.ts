/** The lines of the worker's log, as text and as JSON. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type LogFormat, type LogLevel, parseLogLevel } from '#src/cli/log.js';

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
    log.info({ task: 'add', taskId: 'a b', runtimeMs: 12, gone: undefined }, 'task succeeded');
    assert.deepEqual(lines, [
      '[2026-11-22 18:52:34,007: INFO/celeriac@host] task succeeded task=add taskId="a b" runtimeMs=12\n',
    ]);
  });

  it('shows the stack of an error below its line, for errors', () => {
    const { log, lines } = logger('text');
    log.error({ error: new TypeError('no\nway') }, 'task failed');
    log.warn({ error: new TypeError('short') }, 'odd');
    assert.match(
      lines[0] ?? '',
      /ERROR\/celeriac@host\] task failed error="TypeError: no\\nway"\n {4}at .*log\.test/,
    );
    assert.equal(lines[1]?.trim().split('\n').length, 1);
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
    log.error({ task: 'add', error: new RangeError('far'), big: 1n, node: 'other@host' }, 'task failed');
    assert.equal(lines.length, 1);
    const entry = JSON.parse(lines[0] ?? '');
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
