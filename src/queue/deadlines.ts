/**
 * Gives up on work that misses its deadline: a connected but silent broker (stopped, swapped out) must not hang a call. A
 * broker that works through a crowd of calls is not silent, so a deadline moves on while it answers anything at all, and
 * while this process could not have heard an answer. All work under way shares one timer, since a timer per call would
 * cost more than most of the call itself.
 */
import { after, type Cancel } from '../timers.js';

/** By when one piece of work must have been answered. */
export interface Deadline {
  /** On this process's steady clock, `performance.now()`. */
  at: number;
  /** How long the broker may be silent, ms. */
  readonly budgetMs: number;
  /** How much longer it may become because this process was too busy to hear, ms. */
  spareMs: number;
}

interface Pending {
  readonly deadline: Deadline;
  readonly giveUp: () => void;
}

/** A budget is measured in so many parts. */
const FINE = 16;
/** In budgets: a process that is always busy must still give up on a broker that is gone. */
const MOST_SPARE = 3;

export class Deadlines {
  readonly #pending = new Set<Pending>();
  /** Cancels the timer for the next check, at the earliest deadline. */
  #cancelTimer: Cancel = () => undefined;
  /** When the next check is due. */
  #lookAt = Number.POSITIVE_INFINITY;
  /** What `answers` said at the last check. */
  #answers = 0;
  /** The last answer came no later than this. */
  #heardAt = Number.NEGATIVE_INFINITY;

  /**
   * @param budgetMs how long the broker may be silent, unless a piece of work says otherwise
   * @param answers grows with the broker's answers, whatever was asked
   */
  constructor(
    private readonly budgetMs: number,
    private readonly answers: () => number = () => 0,
  ) {}

  /** Begins a piece of work, which may then be tried several times. */
  begin(budgetMs = this.budgetMs): Deadline {
    return { at: performance.now() + budgetMs, budgetMs, spareMs: MOST_SPARE * budgetMs };
  }

  /**
   * The result of `work`, unless its deadline passes first: then it rejects with `refusal()`, and the later outcome of
   * `work` is ignored. Does not keep the process alive; the work itself must.
   */
  within<R>(work: Promise<R>, deadline: Deadline, refusal: () => Error): Promise<R> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { deadline, giveUp: () => reject(refusal()) };
      this.#pending.add(pending);
      this.#lookBy(deadline.at);
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
    this.#listen(performance.now());
    this.#lookAt = deadline;
    this.#cancelTimer();
    // Timers run before network reads: after a busy loop, read what has arrived before giving up.
    const look = () => setImmediate(() => setImmediate(() => this.#look()));
    const inMs = Math.max(1, Math.ceil(deadline - performance.now()));
    this.#cancelTimer = after(inMs, look, { ref: false });
  }

  #look(): void {
    const now = performance.now();
    const lateMs = now - this.#lookAt;
    this.#lookAt = Number.POSITIVE_INFINITY;
    this.#listen(now);
    let next = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending) {
      const { deadline } = pending;
      if (deadline.at <= now) this.#moveOn(deadline, now, lateMs);
      if (deadline.at > now) next = Math.min(next, deadline.at);
      else {
        this.#pending.delete(pending);
        pending.giveUp();
      }
    }
    this.#lookBy(next);
  }

  #listen(now: number): void {
    const answers = this.answers();
    if (answers !== this.#answers) this.#heardAt = now;
    this.#answers = answers;
  }

  #moveOn(deadline: Deadline, now: number, lateMs: number): void {
    // A sleep of milliseconds between two readings of the clock is no silence.
    const { budgetMs } = deadline;
    const fineMs = budgetMs / FINE;
    if (now - this.#heardAt < budgetMs - fineMs) deadline.at = this.#heardAt + budgetMs;
    else if (lateMs > fineMs) {
      // The event loop stood still, so nobody could hear an answer: what was lost is given again.
      const againMs = Math.min(lateMs, deadline.spareMs);
      deadline.spareMs -= againMs;
      deadline.at = now + againMs;
    }
  }
}
