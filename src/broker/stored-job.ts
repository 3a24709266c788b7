/** A job as the broker stores it. */

/** A job as stored in the broker, not interpreted. Texts are as stored. */
export interface StoredJob {
  /** Distinguishes a job from the records of tasks without a job: see `TaskRecord`. */
  readonly kind: 'job';
  readonly id: string;
  readonly queue: string;
  readonly name: string;
  /** The message, as JSON text. */
  readonly data: string;
  /** BullMQ's progress, parsed; celeriac writes `{ state, meta }`. */
  readonly progress: unknown;
  /** JSON text; absent until completed. */
  readonly returnvalue: string | undefined;
  readonly failedReason: string | undefined;
  /** The last entry of BullMQ's stack list; celeriac's carries the encoded error. */
  readonly stack: string | undefined;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
  readonly delayMs: number;
  readonly startedAt: number | undefined;
  readonly doneAt: number | undefined;
  /** How many attempts failed (BullMQ: attemptsMade). */
  readonly retries: number;
  /** How often a worker started the job (BullMQ: attemptsStarted). */
  readonly deliveries: number;
  /** Whether a worker holds its lock now. */
  readonly running: boolean;
  /** The node that ran the job last. */
  readonly worker: string | undefined;
  /** Whether the task has steps: see `StepRecords`. */
  readonly hasSteps?: boolean;
}
