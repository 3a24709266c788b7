import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QueueNotes } from '#src/broker/queue-notes.js';

describe('A process that calls', () => {
  it('notes each queue at its first call, again after hours of use, and again where that failed', async () => {
    let [now, broken] = [0, false];
    const noted: string[] = [];
    const notes = new QueueNotes(
      async (queue) => {
        noted.push(queue);
        if (broken) throw new Error('the broker is away');
      },
      () => now,
    );
    for (let i = 0; i < 3; i++) notes.used('a');
    notes.used('b');
    assert.deepEqual(noted, ['a', 'b']);
    now += 7 * 3_600_000;
    broken = true;
    notes.used('a');
    await new Promise((resolve) => setImmediate(resolve));
    broken = false;
    notes.used('a');
    notes.used('a');
    assert.deepEqual(noted, ['a', 'b', 'a', 'a']);
  });
});
