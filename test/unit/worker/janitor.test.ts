/** What the one worker that is elected does in a round. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Janitor } from '#src/worker/janitor.js';

describe('the janitor', () => {
  it('removes expired rows until none are left, and only where it is elected', async () => {
    for (const elected of [true, false]) {
      let left = 3;
      let asked = 0;
      let end: () => void = () => undefined;
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      const engine = {
        queues: { note: async () => undefined, known: async () => [], due: async () => [] },
        records: {
          create: async () => {
            if (!elected) setImmediate(() => end());
            return elected;
          },
        },
        reclaim: async (rows: number) => {
          assert.ok(rows > 0 && rows <= 500);
          asked++;
          if (--left === 0) setImmediate(() => end());
          return left > 0;
        },
        isUnavailable: () => false,
      };
      const janitor = new Janitor({
        engine: engine as never,
        clock: { now: () => 0 } as never,
        logger: { warn: (fields: object) => assert.fail(JSON.stringify(fields)) } as never,
        resultExpiresMs: 1,
        failureExpiresMs: 1,
        queues: () => ['mail'],
      });
      const awake = setInterval(() => undefined, 60_000);
      janitor.start();
      await over;
      await janitor.stop();
      clearInterval(awake);
      assert.equal(asked, elected ? 3 : 0);
    }
  });
});
