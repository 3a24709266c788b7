/**
 * What is left of a task whose job was dropped before it ran: a small record that runs out by itself and tells readers
 * how it ended. Without it a waiter could not tell a dropped task from one that was never sent.
 */
import type { Engine, JobRef, StoredJob } from './engine.js';

/** A dropped task, as it is kept. */
export interface Tombstone {
  readonly name: string;
  /** The message without its arguments, with the revocation in it, as JSON text. */
  readonly data: string;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly droppedAt: number;
}

/** Keeps it for a while. What is there already stays. */
export async function raiseTombstone(
  engine: Engine,
  ref: JobRef,
  tomb: Tombstone,
  keptMs: number,
): Promise<void> {
  const value = JSON.stringify(tomb);
  const { records } = engine;
  if (await records.create(tombstoneKey(ref), value, keptMs)) return;
  // An id that was used again, and dropped again.
  const [record] = await records.read([tombstoneKey(ref)]);
  if (record !== undefined) await records.replace(tombstoneKey(ref), record.version, value, keptMs);
}

export function tombstoneKey({ queue, id }: JobRef): string {
  return `dropped:${queue}/${id}`;
}

/** The job as it would read had it ended that way. */
export function jobOfTombstone(ref: JobRef, value: string): StoredJob {
  const { droppedAt, ...tomb } = JSON.parse(value) as Tombstone;
  return { ...NEVER_RUN, ...ref, ...tomb, doneAt: droppedAt, dropped: true };
}

const NEVER_RUN = {
  progress: undefined,
  returnvalue: undefined,
  failedReason: undefined,
  stack: undefined,
  priority: 0,
  delayMs: 0,
  startedAt: undefined,
  retries: 0,
  deliveries: 0,
  running: false,
  worker: undefined,
};
