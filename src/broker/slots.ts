/**
 * Slots: how many tasks run at once. One `Slots` may serve several queues of a worker (the shared budget) or a single
 * one (a consumer added with a concurrency of its own). Its size changes while tasks run.
 */

/** A waiter without a name is another to everybody. */
const ANYBODY = Symbol('anybody');

export class Slots {
  #used = 0;
  #waiting: { readonly who: unknown; readonly wake: () => void }[] = [];

  constructor(private size: number) {}

  get used(): number {
    return this.#used;
  }

  get limit(): number {
    return this.size;
  }

  /** Grows at once; after shrinking, running tasks finish and are not replaced. */
  resize(size: number): void {
    this.size = Math.max(0, size);
    this.#wake();
  }

  /**
   * Whether a task of `who` that just ended may be replaced right away: not while somebody else waits for a slot. Its
   * own queue's fetching waits too while all are taken, and only gains when the next task comes with the end of one.
   */
  mayContinue(who: unknown): boolean {
    return this.#used <= this.size && this.#waiting.every((waiter) => waiter.who === who);
  }

  tryTake(): boolean {
    if (this.#used >= this.size) return false;
    this.#used++;
    return true;
  }

  /** Takes a slot whether or not one is free: for a task that runs already. */
  take(): void {
    this.#used++;
  }

  give(): void {
    this.#used--;
    this.#wake();
  }

  /**
   * Resolves with `true` when a slot may be free, `false` after `timeoutMs`.
   * @param who whose wait it is, see `mayContinue`
   */
  whenFree(timeoutMs: number, who: unknown = ANYBODY): Promise<boolean> {
    if (this.#used < this.size) return Promise.resolve(true);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiter) => waiter.wake !== wake);
        resolve(false);
      }, timeoutMs);
      this.#waiting.push({ who, wake });
    });
  }

  /** Lets every waiter look again; used when a consumer stops. */
  wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { wake } of waiting) wake();
  }

  #wake(): void {
    // First come, first served over the queues that share the budget, so none starves.
    for (let free = this.size - this.#used; free > 0 && this.#waiting.length > 0; free--)
      this.#waiting.shift()?.wake();
  }
}

/** Which slots the running jobs of one queue hold, and from where the next ones take theirs. */
export class SlotLedger {
  readonly #holders = new Map<string, Slots>();

  #closed = false;

  constructor(private budget: Slots) {}

  get slots(): Slots {
    return this.budget;
  }

  /** No more jobs are to be fetched. */
  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.budget.wakeAll();
  }

  /** From now on the queue takes from `slots`; what runs already moves over with it. */
  switchTo(slots: Slots): void {
    const previous = this.budget;
    this.budget = slots;
    for (const [jobId, held] of this.#holders) {
      slots.take();
      held.give();
      this.#holders.set(jobId, slots);
    }
    previous.wakeAll();
  }

  /** A job runs on a slot that was taken for it. */
  assign(jobId: string, slots: Slots): void {
    this.#holders.set(jobId, slots);
  }

  /** A job left: its slot goes to `nextJobId`, or back. */
  leave(jobId: string, nextJobId?: string): void {
    const slots = this.#holders.get(jobId);
    if (slots === undefined) return;
    this.#holders.delete(jobId);
    if (nextJobId === undefined) slots.give();
    else this.#holders.set(nextJobId, slots);
  }
}
