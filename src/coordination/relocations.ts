/**
 * Relocations: jobs that were moved from a queue into a lane, or by a retry to another queue. An entry records where each
 * is, and `results/task-reader` follows it. Readers look for an entry only when a job is missing from its queue, so other
 * tasks cost nothing. One that is moved again has entries of two places: that which callers know it by, and the last.
 *
 *   a move, step by step                  a crash after it
 *   1 the entry is written                the job is still in its queue and is moved again: the same entry
 *   2 the job is added to the lane        moved again: the same id, which is there already. It waits for step 3
 *   3 the job is dropped from its queue   nothing left to do
 *
 * The job in the lane runs only once the job in the queue is gone, so a crash between 2 and 3 starts nothing twice.
 */
import type { Engine, JobRef } from '../broker/broker.js';
import type { Message } from '../protocol/message.js';

type Moved = Pick<Message, 'from' | 'origin'>;

/** Time to live of an entry, ms (90 days): longer than any plausible backlog. The task's end shortens it. */
const ENTRY_MS = 90 * 24 * 3_600_000;

/** Records that a job is to be found in `to` from now on, wherever it was before. Idempotent. */
export async function recordRelocation(
  { records }: Pick<Engine, 'records'>,
  from: JobRef,
  to: string,
): Promise<void> {
  const key = relocationKey(from);
  while (!(await records.create(key, to, ENTRY_MS))) {
    const [record] = await records.read([key]);
    if (record !== undefined && (await records.replace(key, record.version, to, ENTRY_MS))) return;
  }
}

/** Restores the full time to live of the entry, for a job that runs again. */
export async function keepRelocation(engine: Engine, from: JobRef, lane: string): Promise<void> {
  if (await engine.records.create(relocationKey(from), lane, ENTRY_MS)) return;
  await expireRelocation(engine, from, ENTRY_MS);
}

/** Lets the entry expire with the job's record, in `keptMs`; 0 removes it at once. */
export async function expireRelocation(engine: Engine, from: JobRef, keptMs: number): Promise<void> {
  const { records } = engine;
  const [record] = await records.read([relocationKey(from)]);
  if (record === undefined) return;
  if (keptMs === 0) await records.remove(relocationKey(from));
  else await records.replace(relocationKey(from), record.version, record.value, keptMs);
}

/** The queue that callers know a task by: the one that it was sent to. @param queue where its job is */
export function sentTo({ from, origin }: Moved, queue: string): string {
  return origin ?? from ?? queue;
}

/** The places of a moved job that may have an entry; none of any other. */
export function placesOf({ from, origin }: Moved, id: string): JobRef[] {
  return [from, origin].flatMap((queue) => (queue === undefined ? [] : [{ queue, id }]));
}

/** The key of the entry's record. */
export function relocationKey({ queue, id }: JobRef): string {
  return `moved:${queue}/${id}`;
}
