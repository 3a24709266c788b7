/**
 * The port that every engine implements for the steps of tasks: text fields that belong to one job and go with it
 * (expiry, forgetting, purging), whatever removes it. A field is written once: the first value stands. A task without
 * steps leaves nothing in the broker.
 */
import type { JobRef } from './job-ref.js';

/** One write of a running task. */
export interface StepWrite {
  readonly field: string;
  readonly value: string;
  /** Another field to read in the same atomic step. */
  readonly sees?: string | undefined;
  /** The task may be parked for it: every park of a task comes after such a write of the same stretch. */
  readonly parks?: boolean | undefined;
}

/** The result of a write. */
export interface StepWritten {
  /** The earlier value, which stands; undefined when this write made the field. */
  readonly before: string | undefined;
  /** The value of the field `sees`. */
  readonly seen: string | undefined;
}

/** A value sent to a task. */
export interface SentValue {
  readonly field: string;
  readonly value: string;
  /** The field that a task which waits for the value has. */
  readonly awaitedIf: string;
  /** Epoch ms of the broker's clock. */
  readonly now: number;
}

/**
 * What became of a sent value. `awaited`: the task may wait for it, and its job has a mark in the list of wake-ups,
 * written in the same atomic step. `taken`: the field had a value. `gone`: there is no such job, or it has ended.
 */
export type Sent = 'kept' | 'awaited' | 'taken' | 'gone';

/** The fields of tasks, and the list of tasks to be woken. */
export interface StepRecords {
  /**
   * Writes a field unless it exists. `undefined` when `token` does not hold the job's lock: nothing is written then, for
   * another worker may run the job.
   */
  write(job: JobRef, token: string, write: StepWrite): Promise<StepWritten | undefined>;
  /** All fields of a job; empty for a job without any. */
  read(job: JobRef): Promise<ReadonlyMap<string, string>>;
  /** Writes a field of a job that has not ended, unless the field exists. */
  send(job: JobRef, sent: SentValue): Promise<Sent>;
  /** Leases the jobs with a mark to the caller. Other callers get them after `leaseMs` at the earliest. */
  due(now: number, limit: number, leaseMs: number): Promise<readonly JobRef[]>;
  /** The mark of a job; each send that is awaited gives it another one. Undefined where there is none. */
  mark(job: JobRef): Promise<number | undefined>;
  /** Removes a job's mark if it is still this one: a value that was sent since needs its own. */
  settle(job: JobRef, mark: number): Promise<void>;
  /** Copies the fields of a job to another one. @returns whether there were any */
  copy(from: JobRef, to: JobRef): Promise<boolean>;
  /**
   * How many jobs sleep or wait at a moment, by queue (lanes apart): those that are parked, and not over or woken. Queues
   * without any are absent. Looks at the jobs that may wait, in bounded steps, and at no others.
   * @param now epoch ms. Default: by this process's clock, by which BullMQ delays jobs
   */
  waiting(now?: number): Promise<ReadonlyMap<string, number>>;
  /** Removes the fields of a job. */
  remove(job: JobRef): Promise<void>;
}
