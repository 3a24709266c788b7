import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keptStacks } from '#src/queue/earlier-stacks.js';

describe('The stacks of earlier attempts', () => {
  it('are the last ten, without waits and what is no text', () => {
    assert.deepEqual(keptStacks(undefined), []);
    assert.deepEqual(keptStacks(null), []);
    const stacks = Array.from({ length: 12 }, (_, i) => `Error: ${i}`);
    assert.deepEqual(keptStacks(stacks), stacks.slice(2));
    assert.deepEqual(keptStacks(['Error: 1', 'celeriac waits: {}', 5, null, 'Error: 2']), [
      'Error: 1',
      'Error: 2',
    ]);
  });

  it('have a bounded size, the latest first', () => {
    const kept = keptStacks(['a'.repeat(30_000), 'b'.repeat(30_000), 'c'.repeat(2_000)]);
    assert.deepEqual(
      kept.map((stack) => stack[0]),
      ['b', 'c'],
    );
  });
});
