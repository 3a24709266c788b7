/**
 * The port that an outbox is relayed through: jobs that are added exactly once, however often they are relayed. The mark
 * of a call is written in the same atomic step as its jobs, so it says "sent" also when a job has run and is gone.
 */
import type { NewJob } from './new-job.js';

/** A call out of an outbox: its jobs, and the mark by which it is known again. */
export interface RelayedCall {
  readonly mark: string;
  readonly jobs: readonly NewJob[];
}

export interface RelayedJobs {
  /** Adds the jobs of each call unless its mark exists, and the mark with them, in one atomic step. Fails fast. */
  add(calls: readonly RelayedCall[]): Promise<void>;
  /** Which of these calls were added, in order. Fails fast. */
  seen(marks: readonly string[]): Promise<boolean[]>;
  /** Lets marks expire soon: the outbox no longer has their calls. Fails fast. */
  release(marks: readonly string[]): Promise<void>;
}

/** How long a mark is kept while its call may still be in the outbox, ms (30 days): longer than any outage. */
export const MARK_MS = 30 * 24 * 3_600_000;
/** How long a released mark is kept, ms: longer than a relay may still be about to add its jobs. */
export const RELEASED_MARK_MS = 5 * 60_000;
