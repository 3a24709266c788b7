/**
 * What is left of a task whose job was dropped before it ran, or at the task's own wish: a small record that runs out by
 * itself and tells readers how it ended. Without it a waiter could not tell such a task from one that was never sent.
 */
import type { Engine, JobRef } from '../broker/broker.js';
import type { TaskRecord } from './task-record.js';

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

/** The task as its tombstone tells. */
export function recordOfTombstone(ref: JobRef, value: string): TaskRecord {
  const { droppedAt, ...tomb } = JSON.parse(value) as Tombstone;
  return { kind: 'dropped', ...NEVER_RUN, ...ref, ...tomb, doneAt: droppedAt };
}

/** How long is remembered that a task asked for its result to be ignored, ms: waiters hear of its end at once. */
export const IGNORED_MS = 10 * 60_000;

/** Keeps, ahead of the end of its job, that a task leaves no result though its message does not say so. */
export async function noteIgnored(engine: Engine, ref: JobRef): Promise<void> {
  await engine.records.create(ignoredKey(ref), '', IGNORED_MS);
}

/** Whether a task whose job is gone asked for that. */
export async function wasIgnored(engine: Engine, ref: JobRef): Promise<boolean> {
  const [record] = await engine.records.read([ignoredKey(ref)]);
  return record !== undefined;
}

function ignoredKey({ queue, id }: JobRef): string {
  return `ignored:${queue}/${id}`;
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
