/**
 * Tombstones: small records of tasks whose job was dropped before it ran, or by the task's own request. They expire by
 * themselves and show readers how the task ended. Without one, a dropped task would look like one that was never sent.
 */
import type { Engine, JobRef } from '../broker/broker.js';
import type { TaskRecord } from './task-record.js';

/** The stored form of a dropped task. */
export interface Tombstone {
  readonly name: string;
  /** The message without its arguments, with the revocation in it, as JSON text. */
  readonly data: string;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly droppedAt: number;
}

/** Writes a task's tombstone, for `keptMs`. Replaces an earlier one of the same id. */
export async function raiseTombstone(
  engine: Engine,
  ref: JobRef,
  tomb: Tombstone,
  keptMs: number,
): Promise<void> {
  const value = JSON.stringify(tomb);
  const { records } = engine;
  if (await records.create(tombstoneKey(ref), value, keptMs)) return;
  // The id was used again, and its task dropped again.
  const [record] = await records.read([tombstoneKey(ref)]);
  if (record !== undefined) await records.replace(tombstoneKey(ref), record.version, value, keptMs);
}

/** The key of a task's tombstone. */
export function tombstoneKey({ queue, id }: JobRef): string {
  return `dropped:${queue}/${id}`;
}

/** The record of a task, made from its tombstone. */
export function recordOfTombstone(ref: JobRef, value: string): TaskRecord {
  const { droppedAt, ...tomb } = JSON.parse(value) as Tombstone;
  return { kind: 'dropped', ...NEVER_RUN, ...ref, ...tomb, doneAt: droppedAt };
}

/** How long the mark of an ignored result is kept, ms: waiters are notified of the end at once, so they need it briefly. */
export const IGNORED_MS = 10 * 60_000;

/** Marks, before the job ends, that the task leaves no result although its message does not say so. */
export async function noteIgnored(engine: Engine, ref: JobRef): Promise<void> {
  await engine.records.create(ignoredKey(ref), '', IGNORED_MS);
}

/** Whether a task whose job is gone was marked by {@link noteIgnored}. */
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
