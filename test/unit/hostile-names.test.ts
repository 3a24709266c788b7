/** Names from afar that every object answers to: `constructor`, `__proto__`, `toString`. They are names like any other. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseLogLevel } from '#src/options/logger.js';
import { readExpression } from '#src/schedules/cron-fields.js';
import { sumCounts } from '#src/worker/processes/merge-replies.js';
import { packLog } from '#src/worker/threads/serialization.js';

const NAMES = ['constructor', '__proto__', 'toString', 'hasOwnProperty'];
/** An object that has these as properties of its own, as JSON from elsewhere may. */
const named = <V>(value: V): Record<string, V> => Object.fromEntries(NAMES.map((name) => [name, value]));

describe('a name that every object has', () => {
  it('is counted like any other', () => {
    const sums = sumCounts([named(1), named(2)]);
    assert.deepEqual(Object.entries(sums), Object.entries(named(3)));
  });

  it('is no log level and no schedule', () => {
    for (const name of NAMES) {
      assert.throws(() => parseLogLevel(name, 'x'), { code: 'OPTION' });
      assert.throws(() => readExpression(name), { code: 'OPTION' });
    }
  });

  it('is a field of a log line that comes out of a thread', () => {
    const { fields, errors } = packLog('info', { ...named('x') }, 'text');
    assert.deepEqual(Object.keys(fields), NAMES);
    const failed = packLog('info', named(new RangeError('no')), 'text');
    assert.deepEqual([Object.keys(failed.errors), errors], [NAMES, {}]);
  });
});
