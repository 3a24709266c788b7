/**
 * Gives up on work that misses its deadline: a connected but silent broker (stopped, swapped out) must not hang a call. A
 * broker that works through a crowd of calls is not silent, so a deadline moves on while older work is being answered,
 * and while this process could not have heard an answer. All work under way shares one timer, since a timer per call
 * would cost more than most of the call itself.
 */
import { after, type Cancel } from '../timers.js';

/** By when one piece of work must have been answered. */
export interface Deadline {
  /** Its place among all that have begun. */
  readonly turn: number;
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

export class Deadlines {
  readonly #pending = new Set<Pending>();
  readonly #answers: RecentAnswers;
  #begun = 0;
  /** Cancels the timer for the next check, at the earliest deadline. */
  #cancelTimer: Cancel = () => undefined;
  /** When the next check is due. */
  #lookAt = Number.POSITIVE_INFINITY;

  /** @param budgetMs how long the broker may be silent */
  constructor(private readonly budgetMs: number) {
    this.#answers = new RecentAnswers(budgetMs);
  }

  /** Begins a piece of work, which may then be tried several times. */
  begin(budgetMs = this.budgetMs): Deadline {
    return {
      turn: this.#begun++,
      at: performance.now() + budgetMs,
      budgetMs,
      spareMs: MOST_SPARE * budgetMs,
    };
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
          this.#answers.note(deadline.turn);
          resolve(value);
        },
        (error: unknown) => {
          this.#pending.delete(pending);
          this.#moveOn(deadline);
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
    const now = performance.now();
    const lateMs = now - this.#lookAt;
    this.#lookAt = Number.POSITIVE_INFINITY;
    let next = Number.POSITIVE_INFINITY;
    for (const pending of this.#pending) {
      const { deadline } = pending;
      if (deadline.at <= now && lateMs > this.budgetMs / FINE) this.#spare(deadline, now, lateMs);
      if (deadline.at <= now) this.#moveOn(deadline);
      if (deadline.at > now) next = Math.min(next, deadline.at);
      else {
        this.#pending.delete(pending);
        pending.giveUp();
      }
    }
    this.#lookBy(next);
  }

  /** The event loop stood still, so nobody could hear an answer: what was lost is given again. */
  #spare(deadline: Deadline, now: number, lateMs: number): void {
    const againMs = Math.min(lateMs, deadline.spareMs);
    deadline.spareMs -= againMs;
    deadline.at = now + againMs;
  }

  /** Its turn has not come while what began before it is answered. What is answered out of turn says nothing of it. */
  #moveOn(deadline: Deadline): void {
    deadline.at = Math.max(deadline.at, this.#answers.lastBefore(deadline.turn) + deadline.budgetMs);
  }
}

/** A budget is measured in so many parts. */
const FINE = 16;
/** In budgets: a process that is always busy must still give up on a broker that is gone. */
const MOST_SPARE = 3;

/** When work was answered of late, and the oldest of it: coarse, so that an answer costs next to nothing. */
class RecentAnswers {
  /** Oldest first; none of them older than the budget when it is asked for. */
  readonly #spans: { readonly from: number; at: number; oldest: number }[] = [];
  readonly #spanMs: number;

  constructor(private readonly budgetMs: number) {
    this.#spanMs = budgetMs / FINE;
  }

  note(turn: number): void {
    const now = performance.now();
    const last = this.#spans.at(-1);
    if (last !== undefined && now - last.from < this.#spanMs) {
      last.at = now;
      last.oldest = Math.min(last.oldest, turn);
      return;
    }
    while (now - (this.#spans[0]?.at ?? now) > this.budgetMs) this.#spans.shift();
    this.#spans.push({ from: now, at: now, oldest: turn });
  }

  /** When something that began before `turn` was last answered, about; long ago if nothing was within the budget. */
  lastBefore(turn: number): number {
    return this.#spans.findLast(({ oldest }) => oldest < turn)?.at ?? Number.NEGATIVE_INFINITY;
  }
}
