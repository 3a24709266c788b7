/**
 * Gives up on work that takes too long: a broker that is there but silent (stopped, swapped out) must not hang a call. One
 * timer for everything under way, since one for each call would cost more than most of what a call does itself.
 */
import { after, type Cancel } from '../timers.js';

interface Pending {
  /** On this process's steady clock. */
  readonly deadline: number;
  readonly giveUp: () => void;
}

export class Deadlines {
  readonly #pending = new Set<Pending>();
  /** Set while anything was pending at its last look; looks again when the next deadline may have passed. */
  #cancelTimer: Cancel = () => undefined;
  /** When it looks next. */
  #lookAt = Number.POSITIVE_INFINITY;

  /**
   * What `work` gives, unless the deadline passes first: then it rejects with `refusal()`, and what `work` still comes to
   * is ignored. The process has to be kept alive by what the work waits for.
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

  /** Work that is tried again comes with an earlier deadline than what began meanwhile. */
  #lookBy(deadline: number): void {
    if (deadline >= this.#lookAt) return;
    this.#lookAt = deadline;
    this.#cancelTimer();
    // A busy loop looks at its clock before it reads what has arrived: one more look at the network first.
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
