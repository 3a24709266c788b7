/** What a worker says when it is told to stop. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { warmText } from '#src/cli/worker/signals.js';

describe('a warm shutdown', () => {
  it('says how many tasks it waits for, for how long, and how to wait no longer', () => {
    assert.equal(warmText('SIGTERM', 0, 30_000), 'warm shutdown, no task is running');
    assert.equal(
      warmText('SIGINT', 1, 30_000),
      'warm shutdown, 1 task is running and has 30s to finish; Ctrl-C once more hands it back at once',
    );
    assert.equal(
      warmText('SIGTERM', 3, 90_000),
      'warm shutdown, 3 tasks are running and have 90s to finish; SIGINT hands them back at once',
    );
  });
});
