/**
 * The shape of a task as readers see it: made from its job where the job is enough, and otherwise from relocations,
 * tombstones and the records of workflows. `results/task-reader` makes these records; this file has only their types.
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

/** A task, described by the fields of a job. */
export interface TaskRecord extends Omit<StoredJob, 'kind'> {
  readonly kind: TaskKind;
  /** For kind `replaced` only: the task that this record shows. */
  readonly replacedBy?: JobRef;
  /** For a part of a workflow that will never run: the task whose failure this one shares. */
  readonly blame?: { readonly taskId: string; readonly taskName: string };
}

/** Reads tasks; `undefined` for a task that does not exist. */
export interface TaskLookup {
  /** The tasks in the order of `refs`. Fails fast. */
  read(refs: readonly JobRef[]): Promise<(TaskRecord | undefined)[]>;
}

/** A part of a workflow, and where its job would be. */
export interface PartRef {
  readonly ref: JobRef;
  readonly address: PartAddress;
}

/** Makes the record of a part, given its job. */
export type PartReading = (job: TaskRecord | undefined) => Promise<TaskRecord | undefined>;

/** Reads the parts of workflows from the records of workflows. */
export interface WorkflowParts {
  /** In the order of `parts`, in one round trip. The caller can read the jobs at the same time. */
  read(parts: readonly PartRef[]): Promise<PartReading[]>;
  /** The task that gives the result of a workflow; `undefined` when the workflow no longer exists. */
  finalOf(flow: string): Promise<JobRef | undefined>;
}
