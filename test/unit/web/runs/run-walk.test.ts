import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoredJob } from '#src/broker/broker.js';
import {
  endedMark,
  type JobSet,
  type PageAsked,
  type PlacedJob,
  placeOfMark,
} from '#src/broker/job-pages.js';
import type { TaskRecord } from '#src/coordination/task-record.js';
import { readCursor, writeCursor } from '#src/web/runs/run-cursor.js';
import { RunWalk } from '#src/web/runs/run-walk.js';
import { waitingJob } from '../../../support/fake-engine.js';

interface Held {
  readonly queue: string;
  readonly set: JobSet;
  readonly id: string;
  readonly at: number;
}

/** Queues as the port shows them. */
function queuesOf(held: readonly Held[]) {
  const rows = new Map(held.map((job) => [`${job.queue} ${job.id}`, rowOf(job)]));
  const read = { pages: 0, rows: 0 };
  const page = ({ queue, set, newest, after, limit }: PageAsked): PlacedJob[] => {
    const way = newest ? -1 : 1;
    const all = held.filter((job) => job.queue === queue && job.set === set);
    all.sort((a, b) => way * (a.at - b.at || (a.id < b.id ? -1 : 1)));
    if (set === 'completed' || set === 'failed') {
      const place = after === undefined ? undefined : placeOfMark(after);
      const behind = all.filter(
        ({ at, id }) =>
          place === undefined || way * (at - place.at || (id < place.id ? -1 : id > place.id ? 1 : 0)) > 0,
      );
      return behind.slice(0, limit).map(({ at, id }) => ({ id, mark: endedMark(at, id) }));
    }
    const from = after === undefined ? 0 : Number(after) + 1;
    return all.slice(from, from + limit).map(({ id }, i) => ({ id, mark: `${from + i}` }));
  };
  return {
    read,
    queues: {
      pages: async (asked: readonly PageAsked[]) => {
        read.pages++;
        return asked.map(page);
      },
      rows: async (refs: readonly { queue: string; id: string }[]) => {
        read.rows += refs.length;
        return refs.map(({ queue, id }) => rows.get(`${queue} ${id}`));
      },
    },
    tasks: { ofJobs: async (jobs: readonly StoredJob[]) => [...jobs] as TaskRecord[] },
  };
}

function rowOf({ queue, set, id, at }: Held): StoredJob {
  const ended = set === 'completed' || set === 'failed';
  return waitingJob(id, { queue, sentAt: at, ...(ended && { doneAt: at }) });
}

const QUEUES = ['a', 'b', 'c'];
const SETS: readonly JobSet[] = ['waiting', 'delayed', 'completed', 'failed'];

async function walkAll(held: readonly Held[], newest: boolean, limit: number): Promise<Held[]> {
  const { queues, tasks } = queuesOf(held);
  const found: TaskRecord[] = [];
  let cursor = { newest, ended: undefined, living: new Map<string, string>() } as ReturnType<
    typeof readCursor
  >;
  for (let pages = 0; ; pages++) {
    assert(pages <= held.length + 1, 'it does not end');
    const walk = new RunWalk({ queues, tasks, names: QUEUES, sets: SETS, cursor, endedAfter: undefined });
    let taken = 0;
    const { over } = await walk.next(limit, (task) => {
      found.push(task);
      return ++taken < limit;
    });
    cursor = readCursor(writeCursor(walk.cursor), newest);
    if (over) break;
  }
  return found.map(
    ({ queue, id }) => held.find((job) => job.queue === queue && job.id === id) ?? assert.fail(id),
  );
}

describe('The walk through tasks', () => {
  it('meets each task once, page by page, and ended ones in the order of their ends', async () => {
    const one = fc.record({
      queue: fc.constantFrom(...QUEUES),
      set: fc.constantFrom(...SETS),
      // Few moments, so that many end at one.
      at: fc.integer({ min: 1, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(one, { maxLength: 60 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        async (jobs, newest, limit) => {
          const held = jobs.map((job, i) => ({ ...job, id: `j${i}` }));
          const found = await walkAll(held, newest, limit);
          assert.deepEqual(found.map(({ id }) => id).sort(), held.map(({ id }) => id).sort());
          const ends = found.filter(({ set }) => set === 'completed' || set === 'failed').map(({ at }) => at);
          assert.deepEqual(
            ends,
            [...ends].sort((a, b) => (newest ? b - a : a - b)),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reads no more than a page needs, however many there are', async () => {
    const held = Array.from(
      { length: 10_000 },
      (_, i): Held => ({ queue: 'a', set: 'completed', id: `j${i}`, at: i }),
    );
    const { queues, tasks, read } = queuesOf(held);
    const cursor = { newest: true, ended: undefined, living: new Map() };
    const walk = new RunWalk({ queues, tasks, names: ['a'], sets: SETS, cursor, endedAfter: undefined });
    const ids: string[] = [];
    await walk.next(50, ({ id }) => ids.push(id) < 50);
    assert.deepEqual([ids[0], ids[49]], ['j9999', 'j9950']);
    assert(read.rows <= 50 && read.pages <= 3, JSON.stringify(read));
  });

  it('ends where all that ended later than a moment are found', async () => {
    const held = Array.from(
      { length: 500 },
      (_, i): Held => ({ queue: 'a', set: 'failed', id: `j${i}`, at: i }),
    );
    const { queues, tasks } = queuesOf(held);
    const cursor = { newest: true, ended: undefined, living: new Map() };
    const walk = new RunWalk({ queues, tasks, names: ['a'], sets: ['failed'], cursor, endedAfter: 490 });
    const ids: string[] = [];
    const { over } = await walk.next(200, ({ id }) => ids.push(id) > 0);
    assert.deepEqual([ids.length, over], [10, true]);
  });
});

describe('A cursor', () => {
  it('of any text but one of ours is refused', () => {
    const cursor = writeCursor({
      newest: true,
      ended: { at: 5, queue: 'a', set: 'failed', id: 'x' },
      living: new Map([['a\0waiting', '7']]),
    });
    assert.equal(readCursor(cursor, true).ended?.id, 'x');
    const bomb = writeCursor({
      newest: true,
      ended: undefined,
      living: new Map([['a'.repeat(200_000), '1']]),
    });
    const bad = writeCursor({
      newest: true,
      ended: undefined,
      living: new Map([['a', '1); DROP TABLE job']]),
    });
    for (const text of ['', 'x', cursor.slice(0, -3), bomb, bad])
      assert.throws(() => readCursor(text, true), { reason: 'BAD_CURSOR' }, text.slice(0, 40));
    assert.throws(() => readCursor(cursor, false), { reason: 'BAD_CURSOR' });
  });
});
