/** Values of flags: what is understood, and that everything else is refused with the flag's name. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import {
  argsFlag,
  autoscaleFlag,
  countFlag,
  durationFlag,
  durationOrMomentFlag,
  listFlag,
  nodeNameFlag,
  sizeFlag,
  weightedQueuesFlag,
} from '#src/cli/flags.js';

describe('durations on the command line', () => {
  const read = durationFlag('--timeout');

  it('carry their unit', () => {
    assert.deepEqual(
      ['500ms', '10s', '1.5m', '2h', '1d'].map(read),
      [500, 10_000, 90_000, 7_200_000, 86_400_000],
    );
  });

  it('are refused bare, with both readings of the number', () => {
    assert.throws(() => read('10'), {
      code: 'OPTION',
      message: '--timeout: 10 has no unit. Write 10s or 10ms.',
    });
  });

  it('are refused when they are something else', () => {
    for (const text of ['', 'soon', '10 s', '-1s', '1w'])
      assert.throws(() => read(text), { code: 'OPTION' }, text);
  });

  it('may be a moment where a flag takes both', () => {
    const expires = durationOrMomentFlag('--expires');
    assert.equal(expires('1h'), 3_600_000);
    assert.equal(expires('2030-01-31T08:00:00Z'), '2030-01-31T08:00:00Z');
    assert.throws(() => expires('2030-13-41'), /ISO 8601/);
  });
});

describe('queues', () => {
  it('come in commas and repeated, with weights where they are written', () => {
    const first = weightedQueuesFlag('mail=2,reports');
    assert.deepEqual(weightedQueuesFlag('slow', first), [
      { name: 'mail', weight: 2 },
      { name: 'reports', weight: undefined },
      { name: 'slow', weight: undefined },
    ]);
  });

  it('are refused twice, empty, with impossible names or weights', () => {
    for (const text of ['a,a', 'a,,b', '', 'a:b', 'a=0', 'a=x']) {
      assert.throws(() => weightedQueuesFlag(text), { code: 'OPTION' }, text);
    }
  });
});

describe('other flags', () => {
  it('read numbers, sizes, ranges and lists', () => {
    assert.equal(countFlag('-c')('8'), 8);
    assert.equal(sizeFlag('--max-memory-per-child')('200mb'), 200 * 1024 * 1024);
    assert.deepEqual(autoscaleFlag('10,3'), { max: 10, min: 3 });
    assert.deepEqual(listFlag('-d')('a@x, b@x', ['c@x']), ['c@x', 'a@x', 'b@x']);
    assert.deepEqual(argsFlag('["42", {"a": 1}]'), ['42', { a: 1 }]);
  });

  it('refuse what cannot be right, and say how to write it', () => {
    assert.throws(() => countFlag('-c')('0'), /-c: "0" must be a whole number of 1 or more/);
    assert.throws(() => countFlag('-c')('1e3'), /-c/);
    assert.throws(() => sizeFlag('--max-memory-per-child')('200'), /200mb or 1gb/);
    assert.throws(() => autoscaleFlag('3,10'), /minimum above its maximum/);
    assert.throws(() => argsFlag('42'), /--args '\[42\]'/);
    assert.throws(() => argsFlag('[1,'), /is not JSON/);
  });

  it('complete a node name with the host', () => {
    assert.equal(nodeNameFlag('mail@%h'), `mail@${hostname()}`);
    assert.equal(nodeNameFlag('mail'), `mail@${hostname()}`);
    assert.equal(nodeNameFlag('w@rack%%7'), 'w@rack%7');
    assert.throws(() => nodeNameFlag('w@%x'), /"%x" means nothing/);
    assert.throws(() => nodeNameFlag('a b'), /-n: "a b" is not a node name/);
  });
});
