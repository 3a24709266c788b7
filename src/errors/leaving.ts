/** What a task throws to leave without a result of its own: nothing of it is kept, or it fails, or is put back. */
import { CeleriacError, named } from './base.js';

/** Thrown by a task to end without a stored state (Celery: `Ignore`). */
export class Ignore extends CeleriacError {
  constructor(message = 'The task asked for its result to be ignored.') {
    super(message, { code: 'IGNORE' });
  }
}
named(Ignore, 'Ignore');

/**
 * Thrown by a task to fail at once, regardless of its retry options; with `requeue`, to be put back instead: it runs again
 * after a short pause, on any worker, and no attempt is counted (Celery: `Reject`).
 * @example throw new Reject('no licence is free', { requeue: true })
 */
export class Reject extends CeleriacError {
  /** No property of its own, so that none is stored with the error. */
  readonly #requeue: boolean;

  constructor(reason: unknown = 'The task rejected its message.', options: { requeue?: boolean } = {}) {
    super(reason instanceof Error ? reason.message : String(reason), {
      code: 'REJECT',
      ...(reason instanceof Error ? { cause: reason } : {}),
    });
    this.#requeue = options?.requeue === true;
  }

  /** True if the task is to be put back. */
  get requeue(): boolean {
    // One that was read from a result was not constructed.
    return #requeue in this && this.#requeue;
  }
}
named(Reject, 'Reject');
