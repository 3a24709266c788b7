/**
 * Jobs that were moved from a queue into a lane, and how they are found: an entry says where a job went, and reading
 * jobs follows it. Only jobs that are not where they should be cost a look at the entries, so nobody else pays.
 *
 *   a move, step by step                  a crash after it
 *   1 the entry is written                the job is still in its queue and is moved again: the same entry
 *   2 the job is added to the lane        moved again: the same id, which is there already. It waits for step 3
 *   3 the job is dropped from its queue   nothing left to do
 *
 * The one in the lane runs only once the other is gone, so a crash between 2 and 3 starts nothing twice.
 */
import type { Engine, JobRef, StoredJob } from '../broker/broker.js';
import { type Ground, passingOn } from '../broker/pass-on.js';
import { jobOfTombstone, tombstoneKey } from './tombstones.js';

/** An entry outlives the longest backlog one may hope for; the task's end shortens it to the life of its record. */
const ENTRY_MS = 90 * 24 * 3_600_000;

/** Where jobs went is remembered for so many, so that waiting for a moved job stays one read. */
const REMEMBERED = 10_000;

/** Says that a job will be found in `lane` from now on. Idempotent. */
export async function recordRelocation(engine: Engine, from: JobRef, lane: string): Promise<void> {
  await engine.records.create(keyOf(from), lane, ENTRY_MS);
}

/** The entry stays for a job that runs again. */
export async function keepRelocation(engine: Engine, from: JobRef, lane: string): Promise<void> {
  if (await engine.records.create(keyOf(from), lane, ENTRY_MS)) return;
  await expireRelocation(engine, from, ENTRY_MS);
}

/** The entry goes when the job's record goes. */
export async function expireRelocation(engine: Engine, from: JobRef, keptMs: number): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([keyOf(from)]);
  if (record === undefined) return;
  if (keptMs === 0) await records.remove(keyOf(from));
  else await records.replace(keyOf(from), record.version, record.value, keptMs);
}

/**
 * The engine as everybody but the mover should see it: jobs are found where they went, and those that were dropped are
 * found as their tombstones tell.
 */
export function followingRelocations(ground: Ground): Engine {
  const known = new Map<string, JobRef>();
  const follow = (ref: JobRef): JobRef => known.get(keyOf(ref)) ?? ref;

  async function readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    const { engine } = ground;
    const jobs = await engine.readJobs(refs.map(follow));
    const missing = refs.flatMap((ref, i) => (jobs[i] === undefined ? [{ ref, i }] : []));
    if (missing.length === 0) return jobs;
    const keys = missing.flatMap(({ ref }) => [keyOf(ref), tombstoneKey(ref)]);
    const entries = await engine.records.read(keys);
    const moved = missing.flatMap(({ ref, i }, n) => {
      const lane = entries[2 * n]?.value;
      const tomb = entries[2 * n + 1]?.value;
      if (tomb !== undefined) jobs[i] = jobOfTombstone(ref, tomb);
      if (lane === undefined) known.delete(keyOf(ref));
      return lane === undefined ? [] : [{ i, from: ref, to: { queue: lane, id: ref.id } }];
    });
    if (moved.length === 0) return jobs;
    if (known.size > REMEMBERED) known.clear();
    const found = await engine.readJobs(moved.map(({ to }) => to));
    moved.forEach(({ i, from, to }, n) => {
      jobs[i] = found[n] ?? jobs[i];
      if (found[n] !== undefined) known.set(keyOf(from), to);
    });
    return jobs;
  }

  return passingOn(ground, {
    readJobs,
    readEnded: (refs) => ground.engine.readEnded(refs.map(follow)),
  });
}

function keyOf({ queue, id }: JobRef): string {
  return `moved:${queue}/${id}`;
}
