/** The limits of a worker and its tasks, as `GET workers` says them. */

/** Limits on one worker, ms. Rates are in the broker, for all workers: `GET limits`. */
export interface WorkerLimits {
  /** Of tasks without their own. */
  readonly softTimeLimit?: number;
  readonly timeLimit?: number;
  /** By task; `null` where remote control has lifted one. */
  readonly taskLimits?: Readonly<Record<string, TaskLimitsView>>;
}

/** The limits of a task on one worker, ms. */
export interface TaskLimitsView {
  readonly softTimeLimit?: number | null;
  readonly timeLimit?: number | null;
  readonly concurrency?: number;
}
