/**
 * Gives up on work that misses its deadline: a connected but silent broker (stopped, swapped out) must not hang a call. All
 * work under way shares one timer, since a timer per call would cost more than most of the call itself.
 */
import { after, type Cancel } from '../timers.js';

interface Pending {
  /** On this process's steady clock, ms. */
  readonly deadline: number;
  readonly giveUp: () => void;
}

export class Deadlines {
  readonly #pending = new Set<Pending>();
  /** Cancels the timer for the next check, at the earliest deadline. */
  #cancelTimer: Cancel = () => undefined;
  /** When the next check is due. */
  #lookAt = Number.POSITIVE_INFINITY;

  /**
   * The result of `work`, unless the deadline passes first: then it rejects with `refusal()`, and the later outcome of
   * `work` is ignored. Does not keep the process alive; the work itself must.
   * @param deadline on this process's steady clock, `performance.now()`
   */
  within<R>(work: Promise<R>, deadline: number, refusal: () => Error): Promise<R> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { deadline, giveUp: () => reject(refusal()) };
      this.#pending.add(pending);
      this.#lookBy(deadline);
      work.then(
        (value) => {
          this.#pending.delete(pending);
          resolve(value);
        },
        (error: unknown) => {
          this.#pending.delete(pending);
          reject(error);
        },
      );
    });
  }

  /** Moves the next check forward if needed: retried work has an earlier deadline than work that began meanwhile. */
  #lookBy(deadline: number): void {
    if (deadline >= this.#lookAt) return;
    this.#lookAt = deadline;
    this.#cancelTimer();
    // Timers run before network reads: after a busy loop, read what has arrived before giving up.
    const look = () => setImmediate(() => setImmediate(() => this.#look()));
    const inMs = Math.max(1, Math.ceil(deadline - performance.now()));
    this.#cancelTimer = after(inMs, look, { ref: false });
  }

  #look(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending) {
      if (pending.deadline > now) next = Math.min(next, pending.deadline);
      else {
        this.#pending.delete(pending);
        pending.giveUp();
      }
    }
    this.#lookBy(next);
  }
}
