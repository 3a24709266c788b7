import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Engine, StoredJob } from '#src/broker/broker.js';
import { relocationKey } from '#src/coordination/relocations.js';
import { JobMoves } from '#src/queue/job-moves.js';
import type { Run } from '#src/queue/run.js';
import { FakeRecords } from '../../support/fake-records.js';

/** An engine with one job in it, and a run of that job. */
function setUp(data: object, queue = 'q') {
  const records = new FakeRecords();
  const stored = { data: JSON.stringify(data) };
  const added: { queue: string; data: Record<string, unknown>; delay: unknown; priority: unknown }[] = [];
  const priorities: unknown[] = [];
  const conflicts: string[] = [];
  let isGone = false;
  const engine = {
    records,
    readJobs: async () => [isGone ? undefined : ({ ...stored } as StoredJob)],
    amendData: async (_ref: object, was: string, to: object) => {
      const other = conflicts.pop();
      if (other !== undefined) stored.data = other;
      if (stored.data !== was) return false;
      stored.data = JSON.stringify(to);
      return true;
    },
    backend: async (at: string) => ({
      addJob: async (job: { data: string; delay: number; priority: number }) =>
        void added.push({ queue: at, data: JSON.parse(job.data), delay: job.delay, priority: job.priority }),
      changePriority: async (...args: unknown[]) => void priorities.push([at, ...args]),
    }),
    steps: { copy: async () => undefined },
  } as unknown as Engine;
  const run = {
    job: { id: 'j', name: 'task', data, timestamp: 1, priority: 4, opts: {}, attemptsStarted: 1 },
    delivery: { retries: 1, deliveries: 2, message: data },
  } as unknown as Run;
  const entries = () =>
    Object.fromEntries([...records.kept].map(([key, { value }]): [string, string] => [key, value]));
  const gone = () => {
    isGone = true;
  };
  const moves = new JobMoves(engine, queue);
  return { moves, run, stored, added, priorities, conflicts, entries, records, gone };
}

const retry = { kind: 'retry', delayMs: 5, message: 'no', stack: 'the stack' } as const;

describe('A retry that changes its task', () => {
  it('writes the new arguments over all the old ones, and keeps what others wrote meanwhile', async () => {
    const { moves, run, stored, priorities, conflicts } = setUp({
      v: 1,
      args: [1],
      input: { value: 2 },
      root: 'r',
    });
    conflicts.push(JSON.stringify({ v: 1, args: [1], root: 'r', forgotten: true }));
    await moves.change(run, { args: '[5]', fields: { shadow: 'shown' }, priority: 9 });
    assert.deepEqual(JSON.parse(stored.data), {
      v: 1,
      args: [5],
      root: 'r',
      forgotten: true,
      shadow: 'shown',
    });
    assert.deepEqual(priorities, [['q', 'j', 9]]);
  });

  it('reads and writes nothing that it does not change', async () => {
    const { moves, run, stored, priorities } = setUp({ v: 1, args: [1], input: { value: 2 } });
    await moves.change(run, { fields: { hard: null } });
    assert.deepEqual(JSON.parse(stored.data), { v: 1, args: [1], input: { value: 2 }, hard: null });
    await moves.change(run, { fields: {} });
    assert.deepEqual(priorities, []);
  });

  it('goes on elsewhere with what it counted, and is found from where it was sent', async () => {
    const { moves, run, added, entries } = setUp({ v: 1, args: [1] });
    await moves.retryIn(run, 'far', { ...retry, change: { fields: {}, priority: 2 } });
    const counts = { from: 'q', tried: 2, begun: 2, steps: true, failed: 'the stack' };
    assert.deepEqual(added, [{ queue: 'far', data: { v: 1, args: [1], ...counts }, delay: 5, priority: 2 }]);
    assert.deepEqual(entries(), { [relocationKey({ queue: 'q', id: 'j' })]: 'far' });
  });

  it('makes no second copy where the first attempt to write it was carried out, and its answer lost', async () => {
    const { moves, run, added, entries, gone } = setUp({ v: 1, args: [1] });
    gone();
    await moves.retryIn(run, 'far', retry);
    assert.deepEqual([added, entries()], [[], {}]);
  });

  it('leaves no entry of a place in the middle for long', async () => {
    const third = setUp({ v: 1, args: [1], from: 'far', origin: 'q' }, 'farther');
    const middle = relocationKey({ queue: 'far', id: 'j' });
    await third.records.create(middle, 'farther', 90 * 86_400_000);
    const lives: [string, number | undefined][] = [];
    const replace = third.records.replace.bind(third.records);
    third.records.replace = (key, version, value, ttlMs) => {
      lives.push([key, ttlMs]);
      return replace(key, version, value, ttlMs);
    };
    await third.moves.retryIn(third.run, 'last', retry);
    assert.deepEqual(lives, [[middle, 300_000]]);
  });

  it('is found from there also after another move, and a move back', async () => {
    const moved = { v: 1, args: [1], from: 'q' };
    const second = setUp(moved, 'far');
    await second.moves.retryIn(second.run, 'farther', retry);
    assert.deepEqual(second.entries(), {
      [relocationKey({ queue: 'far', id: 'j' })]: 'farther',
      [relocationKey({ queue: 'q', id: 'j' })]: 'farther',
    });
    assert.deepEqual([second.added[0]?.data.from, second.added[0]?.data.origin], ['far', 'q']);
    const back = setUp({ ...moved, from: 'farther', origin: 'q' }, 'q');
    await back.moves.toLane(back.run, 'q~task');
    assert.deepEqual(back.entries(), { [relocationKey({ queue: 'q', id: 'j' })]: 'q~task' });
    assert.equal(back.added[0]?.data.origin, 'q');
  });
});
