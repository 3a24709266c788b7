/**
 * A task as it is read: its job where there is one that says all, and otherwise what relocations, tombstones and the
 * records of workflows say of it. `results/task-reader` makes these records; below it stand only their shapes.
 */
import type { JobRef, StoredJob } from '../broker/broker.js';
import type { PartAddress } from '../protocol/ids.js';

/**
 * What a record was made from.
 *
 *   job        the job, where the reference said
 *   moved      the job, in the lane it was moved to
 *   dropped    a tombstone: the task is gone, and its id may be used again
 *   part       the record of a workflow: a part that has no job (yet, or any more), or whose end the workflow decided
 *   replaced   what has taken the task's place
 */
export type TaskKind = 'job' | 'moved' | 'dropped' | 'part' | 'replaced';

/** A task, in the fields of a job. */
export interface TaskRecord extends Omit<StoredJob, 'kind'> {
  readonly kind: TaskKind;
  /** Where the task lies that this record shows: of kind `replaced` only. */
  readonly replacedBy?: JobRef;
  /** The task whose failure this one shares: a part of a workflow that will never run. */
  readonly blame?: { readonly taskId: string; readonly taskName: string };
}

/** Reads tasks; `undefined` where there is none. */
export interface TaskLookup {
  /** In order. Fails fast. */
  read(refs: readonly JobRef[]): Promise<(TaskRecord | undefined)[]>;
}

/** A part that is read, and where its job would be. */
export interface PartRef {
  readonly ref: JobRef;
  readonly address: PartAddress;
}

/** How a part reads, given its job. */
export type PartReading = (job: TaskRecord | undefined) => Promise<TaskRecord | undefined>;

/** What the records of workflows say of their parts. */
export interface WorkflowParts {
  /** In order, in one round trip, so that the jobs can be read meanwhile. */
  read(parts: readonly PartRef[]): Promise<PartReading[]>;
  /** The task that gives the result of a workflow; `undefined` when there is no such workflow any more. */
  finalOf(flow: string): Promise<JobRef | undefined>;
}
