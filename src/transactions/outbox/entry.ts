/** What people see of an outbox. */

/** What is in an outbox. */
export interface OutboxCounts {
  /** Calls that are committed and not sent yet. */
  readonly waiting: number;
  /** Calls that could not be sent. */
  readonly setAside: number;
  /** How long ago the oldest waiting call's transaction began, ms; 0 if none waits. */
  readonly oldestMs: number;
}

/** A call that could not be sent and was set aside. */
export interface OutboxEntry {
  /** The number of its row, for `retry`. */
  readonly id: string;
  /** The ids that the caller got, and the names of the tasks; of a workflow its own id and kind. */
  readonly tasks: readonly { readonly id: string; readonly name: string }[];
  readonly calledAt: Date;
  readonly setAsideAt: Date;
  readonly reason: string;
}
