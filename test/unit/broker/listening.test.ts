/** Silence is what was listened to, not what the clock says. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { listenFor } from '#src/broker/listening.js';

/** Nothing else runs meanwhile, as in a process that gets no CPU. */
function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('listening', () => {
  const awake = setInterval(() => undefined, 60_000);
  after(() => clearInterval(awake));

  it('ends in silence when nothing is heard', async () => {
    await new Promise<void>((resolve) => listenFor(16, resolve));
  });

  it('takes a pause of the whole process for a moment', async () => {
    let silent = false;
    const { cancel } = listenFor(40, () => {
      silent = true;
    });
    for (let pauses = 0; pauses < 3; pauses++) {
      block(60);
      await nextTurn();
    }
    assert.equal(silent, false);
    cancel();
  });

  it('begins again with whatever is heard, also at the last look', async () => {
    let bytes = 0;
    let seen = 0;
    let steps = 0;
    const silence = new Promise<void>((resolve) => {
      const listening = listenFor(16, resolve, () => {
        // Something comes between the last step and the look at it.
        if (++steps === 8) setImmediate(() => bytes++);
        if (bytes > seen) listening.heard();
        seen = bytes;
      });
    });
    await silence;
    assert.ok(steps > 16, `${steps} steps`);
  });

  it('is over when it is cancelled', async () => {
    let silent = false;
    const { cancel } = listenFor(1, () => {
      silent = true;
    });
    cancel();
    await new Promise<void>((resolve) => listenFor(16, resolve));
    assert.equal(silent, false);
  });
});
