/**
 * Jobs that were moved from a queue into a lane, and how they are found: an entry says where a job went, and
 * `results/task-reader` follows it. Only jobs that are not where they should be cost a look at the entries, so nobody else pays.
 *
 *   a move, step by step                  a crash after it
 *   1 the entry is written                the job is still in its queue and is moved again: the same entry
 *   2 the job is added to the lane        moved again: the same id, which is there already. It waits for step 3
 *   3 the job is dropped from its queue   nothing left to do
 *
 * The one in the lane runs only once the other is gone, so a crash between 2 and 3 starts nothing twice.
 */
import type { Engine, JobRef } from '../broker/broker.js';

/** An entry outlives the longest backlog one may hope for; the task's end shortens it to the life of its record. */
const ENTRY_MS = 90 * 24 * 3_600_000;

/** Says that a job will be found in `lane` from now on. Idempotent. */
export async function recordRelocation(engine: Engine, from: JobRef, lane: string): Promise<void> {
  await engine.records.create(relocationKey(from), lane, ENTRY_MS);
}

/** The entry stays for a job that runs again. */
export async function keepRelocation(engine: Engine, from: JobRef, lane: string): Promise<void> {
  if (await engine.records.create(relocationKey(from), lane, ENTRY_MS)) return;
  await expireRelocation(engine, from, ENTRY_MS);
}

/** The entry goes when the job's record goes. */
export async function expireRelocation(engine: Engine, from: JobRef, keptMs: number): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([relocationKey(from)]);
  if (record === undefined) return;
  if (keptMs === 0) await records.remove(relocationKey(from));
  else await records.replace(relocationKey(from), record.version, record.value, keptMs);
}

/** The entry's key. */
export function relocationKey({ queue, id }: JobRef): string {
  return `moved:${queue}/${id}`;
}
