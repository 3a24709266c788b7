/** A process that calls a queue per customer keeps no trace of each. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MOST_BACKENDS, QueueBackends } from '#src/broker/queue-backends.js';
import { MOST_NOTED, QueueNotes } from '#src/broker/queue-notes.js';

describe('what a process keeps of the queues it calls', () => {
  it('is the backends of those in use', () => {
    const backends = new QueueBackends();
    const busy = {} as never;
    backends.set('busy', busy);
    for (let n = 0; n < 5 * MOST_BACKENDS; n++) {
      backends.set(`customer-${n}`, {} as never);
      assert.equal(backends.get('busy'), busy);
    }
    assert.equal(backends.size, MOST_BACKENDS);
    assert.equal(backends.get('customer-0'), undefined);
  });

  it('is when it noted them, of so many', () => {
    let noted = 0;
    const notes = new QueueNotes(
      async () => {
        noted++;
      },
      () => 0,
    );
    for (let n = 0; n < MOST_NOTED + 5; n++) notes.used(`customer-${n}`);
    assert.equal(notes.size, MOST_NOTED);
    notes.used(`customer-${MOST_NOTED}`);
    assert.equal(noted, MOST_NOTED + 5);
  });
});
