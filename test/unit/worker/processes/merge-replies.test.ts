import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FoundTask, NodeStats, TaskReport } from '#src/control/commands.js';
import { decodeResult, encodeResult } from '#src/tasks/serializer.js';
import { RULES, sumCounts } from '#src/worker/processes/merge-replies.js';

const task = (id: string, more: object = {}) => ({ id, name: 'task', ...more }) as unknown as TaskReport;
const found = (id: string, state: FoundTask['state']): Record<string, FoundTask> => ({
  [id]: { state, info: task(id, { seenAs: state }) },
});

function stats(more: Partial<NodeStats>): NodeStats {
  return {
    pid: 1,
    uptimeMs: 1,
    pool: 'async',
    concurrency: 2,
    slots: { size: 3, used: 1, free: 2 },
    running: 1,
    processed: { a: 1 },
    queues: [{ name: 'q', concurrency: 2 }],
    version: '1',
    ...more,
  };
}

describe('The answer of a node with several processes', () => {
  it('lists what each runs, and what waits in their common queues once', () => {
    const lists = [
      [task('a'), task('b')],
      [task('b'), task('c')],
    ];
    const ids = (tasks: readonly TaskReport[]) => tasks.map(({ id }) => id);
    assert.deepEqual(ids(RULES.active.merge(lists)), ['a', 'b', 'b', 'c']);
    for (const command of ['scheduled', 'reserved'] as const)
      assert.deepEqual(ids(RULES[command].merge(lists)), ['a', 'b', 'c']);
    assert.deepEqual(RULES.registered.merge([['x', 'y'], ['y']]), ['x', 'y']);
  });

  it('says of a task what the process knows that runs it, wherever that stands in the list', () => {
    const [waiting, active] = [found('a', 'waiting'), found('a', 'active')];
    for (const finds of [
      [waiting, active],
      [active, waiting],
    ])
      assert.equal(RULES.queryTask.merge(finds).a?.state, 'active');
    assert.deepEqual(Object.keys(RULES.queryTask.merge([waiting, found('b', 'reserved')])), ['a', 'b']);
  });

  it('adds up what they do, and keeps what is the same for all', () => {
    const sum = RULES.stats.merge([
      stats({ pid: 7, memory: 5, cpu: 0.5 }),
      stats({
        memory: 7,
        cpu: 0.25,
        pid: 8,
        running: 2,
        processed: { a: 2, b: 5 },
        queues: [{ name: 'r', concurrency: 1 }],
      }),
    ]);
    assert.deepEqual([sum.pid, sum.concurrency, sum.running], [7, 4, 3]);
    assert.deepEqual(sum.slots, { size: 6, used: 2, free: 4 });
    assert.deepEqual(sum.processed, { a: 3, b: 5 });
    assert.deepEqual([sum.memory, sum.cpu], [12, 0.75]);
    assert.deepEqual(sum.queues, [
      { name: 'q', concurrency: 2 },
      { name: 'r', concurrency: 1 },
    ]);
    const queues = [[{ name: 'q', concurrency: 2 }], [{ name: 'q', concurrency: 3 }]];
    assert.deepEqual(RULES.activeQueues.merge(queues), [{ name: 'q', concurrency: 5 }]);
    assert.deepEqual(RULES.conf.merge([{ a: 1 }, { a: 2 }]), { a: 1 });
  });

  it('says one thing once, and of a number that it counts for each process', () => {
    const said = [{ ok: 'done' }, { ok: 'done' }];
    assert.deepEqual(RULES.revoke.merge(said), { ok: 'done' });
    assert.deepEqual(RULES.pause.merge([{ ok: 'a' }, { ok: 'b' }]), { ok: 'a; b' });
    assert.deepEqual(RULES.poolGrow.merge(said), { ok: 'in each of 2 processes: done' });
    assert.deepEqual(RULES.poolGrow.merge([{ ok: 'done' }]), { ok: 'done' });
  });
});

describe("The reply of a node's processes to a command of the app's own", () => {
  it('is said once where they agree, and else lists what each replied', () => {
    assert.deepEqual(RULES.own.merge([{ a: [1] }, { a: [1] }]), { a: [1] });
    assert.deepEqual(RULES.own.merge([1, 2]), [1, 2]);
    const odd = encodeResult('\0');
    assert.deepEqual(decodeResult(RULES.own.merge([odd, 'x'])), ['\0', 'x']);
  });
});

describe('Counts by name', () => {
  it('of nobody are none, and of several are their sums', () => {
    assert.deepEqual(sumCounts([]), {});
    assert.deepEqual(sumCounts([{ a: 1, b: 2 }, { b: 3 }]), { a: 1, b: 5 });
  });
});
