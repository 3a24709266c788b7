/**
 * The port for administering queues: lists them, measures them, and takes out waiting jobs. Pausing, ending and retrying
 * stay with BullMQ's own backend. Every step must be bounded, so that none blocks the broker for long.
 */

import type { PageAsked, PlacedJob } from './job-pages.js';
import type { JobRef } from './job-ref.js';
import type { StoredJob } from './stored-job.js';

/** The number of jobs of a queue in each state of the broker. */
export interface QueueSizes {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Jobs that wait for their child jobs. */
  readonly waitingChildren: number;
  /** Ended with an error, revoked ones included. */
  readonly failed: number;
  readonly finished: number;
  /** Whether fetching from the queue is paused. */
  readonly paused: boolean;
}

/** A queue that is or was in use. */
export interface KnownQueue {
  readonly name: string;
  /** When a process last noted the queue as in use, epoch ms. */
  readonly notedAt: number;
}

/** A job taken out of the waiting jobs. It is ours for as long as its lock lasts. */
export interface TakenJob {
  readonly id: string;
  readonly name: string;
  /** The message, as JSON text. */
  readonly data: string;
  /** BullMQ's options, parsed. */
  readonly opts: Readonly<Record<string, unknown>>;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly hasParent: boolean;
}

/** One step of taking jobs. */
export interface TakeStep {
  /** Most jobs per step. */
  readonly limit: number;
  /** How many jobs at the end of each list to skip; these stay. */
  readonly passed: Passed;
  readonly token: string;
  readonly lockMs: number;
}

/** Counts of jobs that must not be taken, since they keep a scheduler of BullMQ's alive. */
export interface Passed {
  readonly waiting: number;
  readonly prioritized: number;
  readonly delayed: number;
}

export interface Taken {
  readonly jobs: readonly TakenJob[];
  /** {@link TakeStep.passed} of the next step. */
  readonly passed: Passed;
  /** Whether the step found any jobs. If not, none is left. */
  readonly looked: boolean;
}

/** A position in the failed jobs of some queues, newest first. */
export interface FailedPlace {
  /** Epoch ms. */
  readonly at: number;
  readonly queue: string;
  readonly id: string;
}

/** Moments, epoch ms, by how jobs ended. */
export interface EndedBefore {
  readonly completed: number;
  readonly failed: number;
}

/** One step through the jobs of a queue that ended before a moment, oldest first. */
export interface EndedStep {
  readonly state: 'completed' | 'failed';
  /** Epoch ms. */
  readonly before: number;
  /** How many jobs of other programs were skipped so far. */
  readonly passed: number;
  readonly limit: number;
}

/** What a step found. */
export interface Ended {
  /** The ids of jobs that carry a celeriac message. */
  readonly own: readonly string[];
  /** The number of jobs of other programs, which celeriac must not remove. */
  readonly foreign: number;
}

export interface QueueAdmin {
  /** Notes that queues are in use. Idempotent. */
  note(queues: readonly string[]): Promise<void>;
  /** All noted queues, in no order. */
  known(): Promise<KnownQueue[]>;
  /** Removes queues from the list. Queues in use are noted again. */
  forget(queues: readonly string[]): Promise<void>;
  /** The sizes of queues, in order, in one round trip. */
  sizes(queues: readonly string[]): Promise<QueueSizes[]>;
  /** Whether each queue has jobs that ended before these moments (epoch ms), in order, in one round trip. */
  due(queues: readonly string[], before: EndedBefore): Promise<boolean[]>;
  /** Lists jobs that ended before a moment, in the order in which BullMQ cleans them. */
  ended(queue: string, step: EndedStep): Promise<Ended>;
  /**
   * Moves tasks whose sleep or wait is over to the front of a queue: they have begun, and go on before others begin.
   * @param now epoch ms. Default: by this process's clock, by which BullMQ delays jobs
   * @returns whether the next job of the queue is such a task
   */
  wakingsFirst(queue: string, now?: number): Promise<boolean>;
  /** Takes waiting and delayed jobs out of a queue, paused or not, and locks them as if they ran. */
  take(queue: string, step: TakeStep): Promise<Taken>;
  /** The failed jobs of these queues before a position, newest first. */
  failed(queues: readonly string[], before: FailedPlace | undefined, limit: number): Promise<FailedPlace[]>;
  /** Pages of the jobs of queues, in order: see `job-pages`. */
  pages(asked: readonly PageAsked[]): Promise<PlacedJob[][]>;
  /** Jobs as rows of a list, with short texts (see `job-row`), in order; `undefined` for a job that does not exist. */
  rows(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]>;
  /** Clears the traces of attempts from an ended job; BullMQ's retry does the rest. */
  reset(queue: string, id: string): Promise<void>;
}

/** The id prefix of jobs of BullMQ's schedulers. A scheduler ends when its job is removed. */
export const SCHEDULER_MARK = 'repeat:';

/** Most jobs that one step moves to the front of a queue. */
export const MOST_WAKINGS = 100;

export const NOTHING_PASSED: Passed = { waiting: 0, prioritized: 0, delayed: 0 };

/** Sorts positions newest first, with a fixed order among equal moments. */
export function comparePlaces(a: FailedPlace, b: FailedPlace): number {
  return b.at - a.at || compareBytes(b.queue, a.queue) || compareBytes(b.id, a.id);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
