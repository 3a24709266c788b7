/**
 * The port for renewing the locks of running jobs. The lock thread uses it with a connection and without BullMQ.
 */

/** A lock, as the lock thread sees it. */
export interface HeldLock {
  readonly queue: string;
  readonly jobId: string;
  readonly token: string;
}

/** Renews locks. */
export interface LockRenewal {
  /** Rejects when the broker cannot be reached. */
  connect(): Promise<void>;
  /**
   * Extends these locks of one queue to `durationMs` from now. Rejects when the broker cannot be reached.
   * @returns the ids of jobs whose lock is no longer ours
   */
  extend(queue: string, locks: readonly HeldLock[], durationMs: number): Promise<readonly string[]>;
}
