/** What the one worker that is elected does in a round. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ExpirySweeper } from '#src/worker/end/expiry-sweeper.js';

describe('the janitor', () => {
  it('removes what is ours one by one where jobs of other programs lie among it', async () => {
    const done: string[] = [];
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const pages = [
      { own: ['a', 'b'], foreign: 0 },
      { own: ['c'], foreign: 1 },
      { own: [], foreign: 2 },
      { own: ['d'], foreign: 0 },
      { own: [], foreign: 0 },
    ];
    const engine = {
      queues: {
        note: async () => undefined,
        known: async () => [],
        due: async () => [true],
        ended: async (_: string, { passed, limit }: { passed: number; limit: number }) => {
          done.push(`look from ${passed}`);
          const { own, foreign } = pages.shift() ?? { own: [], foreign: 0 };
          // A full page, whatever its size.
          const rest = pages.length > 1 ? limit - own.length - foreign : 0;
          return { own: [...own, ...Array<string>(Math.max(0, rest)).fill('own')], foreign };
        },
      },
      backend: async () => ({
        cleanJobsByState: async (_: string, __: number, limit: number) => {
          done.push(`clean ${limit}`);
          return [];
        },
        remove: async (id: string) => {
          if (id !== 'own') done.push(`remove ${id}`);
        },
      }),
      records: { create: async () => true },
      serverTime: async () => 0,
      reclaim: async () => {
        setImmediate(() => end());
        return false;
      },
      isUnavailable: () => false,
    };
    const janitor = new ExpirySweeper({
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
    assert.deepEqual(done.slice(0, 4), ['look from 0', 'clean 50', 'look from 0', 'remove c']);
    assert.deepEqual(
      done.filter((word) => word.startsWith('look')),
      ['look from 0', 'look from 0', 'look from 1', 'look from 3', 'look from 0'],
    );
    assert.ok(done.includes('remove d'));
    assert.equal(done.filter((word) => word.startsWith('clean')).length, 1);
  });

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
      const janitor = new ExpirySweeper({
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
