import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LOG_LEVELS, taskLogger } from '#src/options/logger.js';

describe('A task’s log', () => {
  it('takes a text alone, or fields and a text, and puts its own fields in front', () => {
    const lines: unknown[] = [];
    const line = (level: string) => (fields: object, message: string) => lines.push([level, fields, message]);
    const [debug, info, warn, error] = LOG_LEVELS.map(line) as [never, never, never, never];
    const log = taskLogger({ debug, info, warn, error }, { taskId: '1' });
    for (const level of LOG_LEVELS) {
      log[level]('text');
      log[level]({ n: 1 }, 'more');
    }
    assert.deepEqual(
      lines,
      LOG_LEVELS.flatMap((level) => [
        [level, { taskId: '1' }, 'text'],
        [level, { taskId: '1', n: 1 }, 'more'],
      ]),
    );
  });
});
