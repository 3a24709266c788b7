/**
 * The port for renewing the locks of running jobs with nothing but a connection: for the thread that does it.
 */

/** A lock, as the thread sees it. */
export interface HeldLock {
  readonly queue: string;
  readonly jobId: string;
  readonly token: string;
}

/** What renews locks. */
export interface LockRenewal {
  /** Rejects when the broker cannot be reached. */
  connect(): Promise<void>;
  /**
   * Makes these locks of one queue last `durationMs` from now.
   * @returns the ids of jobs whose lock is no longer ours; rejects when the broker cannot be reached
   */
  extend(queue: string, locks: readonly HeldLock[], durationMs: number): Promise<readonly string[]>;
}
