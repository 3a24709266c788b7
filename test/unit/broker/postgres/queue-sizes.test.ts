/** Counting ended jobs slice by slice. The statements themselves run in the integration tests. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countEnded } from '#src/broker/postgres/queue-sizes.js';
import type { PgQuery } from '#src/broker/postgres/wire.js';

/** Answers as the statement does, over jobs that ended then; notes the size of each slice. */
function ended(times: readonly number[], slices: number[] = []): PgQuery {
  const sorted = [...times].sort((a, b) => a - b);
  return (async (_text: string, [, from, limit]: [string, number, number]) => {
    const slice = sorted.filter((at) => at >= from).slice(0, limit);
    slices.push(limit);
    const last = slice.at(-1) ?? null;
    const earlier = slice.filter((at) => last !== null && at < last).length;
    return { rows: [{ found: String(slice.length), earlier: String(earlier), last }] };
  }) as unknown as PgQuery;
}

describe('Ended jobs of PostgreSQL', () => {
  it('are each counted once, whatever ends at the same time', async () => {
    for (const times of [
      [],
      [1],
      [1, 2, 3],
      [1, 1, 1, 1, 1, 1, 1, 2],
      [1, 2, 2, 2, 3, 3, 4, 5, 5, 5, 5, 5, 5],
    ])
      assert.equal(await countEnded(ended(times), 'q', 'completed', 3), times.length, times.join(' '));
  });

  it('are counted by slices that grow only where many ended at once', async () => {
    const slices: number[] = [];
    const times = [1, 2, 3, 4, ...Array.from({ length: 7 }, () => 5), 6, 7, 8];
    assert.equal(await countEnded(ended(times, slices), 'q', 'failed', 3), times.length);
    assert.deepEqual(slices, [3, 3, 3, 6, 12]);
  });
});
