/**
 * Slots: how many tasks run at once. One `Slots` may serve several queues of a worker (the shared budget) or a single
 * one (a consumer added with a concurrency of its own). Its size changes while tasks run.
 */
import { after } from '../timers.js';
/** A queue's claim on slots it shares with others: starts are given out in proportion to weights. */
export class Share {
  /** Starts had so far, over the weight: of those that wait, the one who had least is next. */
  had = 0;

  constructor(readonly weight = 1) {}
}

/** Who waits for a slot. Several may have one share: a queue and its lanes. */
export interface Claimant {
  readonly share: Share;
}

/** Who was idle, or new, is at most this far behind the others, in starts over weight: no queue saves up for a rush. */
const CREDIT = 1;

export class Slots {
  #used = 0;
  #waiting: { readonly who: Claimant; readonly wake: () => void }[] = [];
  /** What the share served last had before that. */
  #level = 0;
  #onShort: () => void = () => undefined;

  constructor(private size: number) {}

  get used(): number {
    return this.#used;
  }

  get limit(): number {
    return this.size;
  }

  /** `grow` is called whenever somebody is about to wait for a slot; it may resize. */
  whenShort(grow: () => void): void {
    this.#onShort = grow;
  }

  /** Grows at once; after shrinking, running tasks finish and are not replaced. */
  resize(size: number): void {
    this.size = Math.max(0, size);
    this.#wake();
  }

  /**
   * Whether a task of `who` that just ended may be replaced right away: not while somebody else waits who had no more
   * than its share has. Its own queue's fetching waits too while all are taken, and only gains when the next task comes
   * with the end of one.
   */
  mayContinue(who: Claimant): boolean {
    return (
      this.#used <= this.size &&
      this.#waiting.every((waiter) => waiter.who === who || who.share.had < waiter.who.share.had)
    );
  }

  tryTake(share: Share): boolean {
    if (this.#used >= this.size) return false;
    this.#used++;
    this.charge(share);
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

  /** A slot that was taken for nothing goes back. */
  giveUnused(share: Share): void {
    share.had -= 1 / share.weight;
    this.give();
  }

  /** A start of this share is counted. */
  charge(share: Share): void {
    this.#catchUp(share);
    this.#level = Math.max(this.#level, share.had);
    share.had += 1 / share.weight;
  }

  /**
   * Resolves with `true` when a slot may be free, `false` after `timeoutMs`.
   * @param who whose wait it is, see `mayContinue`
   */
  whenFree(timeoutMs: number, who: Claimant): Promise<boolean> {
    if (this.#used >= this.size) this.#onShort();
    if (this.#used < this.size) return Promise.resolve(true);
    this.#catchUp(who.share);
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        resolve(true);
      };
      const cancel = after(timeoutMs, () => {
        this.#waiting = this.#waiting.filter((waiter) => waiter.wake !== wake);
        resolve(false);
      });
      this.#waiting.push({ who, wake });
    });
  }

  /** Lets every waiter look again; used when a consumer stops. */
  wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { wake } of waiting) wake();
  }

  #catchUp(share: Share): void {
    share.had = Math.max(share.had, this.#level - CREDIT);
  }

  /** Who had least goes first; of equals, who waited longest. So none starves. */
  #wake(): void {
    for (let free = this.size - this.#used; free > 0 && this.#waiting.length > 0; free--) {
      const next = this.#waiting.reduce((a, b) => (b.who.share.had < a.who.share.had ? b : a));
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.wake();
    }
  }
}

/** What one consumer takes from a budget. All it has taken comes from one budget: it moves over with {@link switchTo}. */
export class SlotAccount implements Claimant {
  #held = 0;
  #closed = false;

  constructor(
    private budget: Slots,
    readonly share = new Share(),
  ) {}

  get slots(): Slots {
    return this.budget;
  }

  /** How many slots it has taken and not given back. */
  get held(): number {
    return this.#held;
  }

  /** Whether a slot is free now. */
  get hasRoom(): boolean {
    return !this.#closed && this.budget.used < this.budget.limit;
  }

  /** A slot for a start of this share, when one is free. */
  take(): Slot | undefined {
    if (this.#closed || !this.budget.tryTake(this.share)) return undefined;
    this.#held++;
    return new Slot(this);
  }

  /** Whether a task that ends may be followed by the next of its own queue at once. */
  mayContinue(): boolean {
    return !this.#closed && this.budget.mayContinue(this);
  }

  /** Resolves with `true` when a slot may be free, `false` after `timeoutMs` or when nothing more is to be fetched. */
  async whenFree(timeoutMs: number): Promise<boolean> {
    return !this.#closed && (await this.budget.whenFree(timeoutMs, this)) && !this.#closed;
  }

  /** From now on the consumer takes from `slots`; what runs already moves over with it. */
  switchTo(slots: Slots): void {
    const previous = this.budget;
    if (previous === slots) return;
    this.budget = slots;
    for (let i = 0; i < this.#held; i++) {
      slots.take();
      previous.give();
    }
    previous.wakeAll();
  }

  /** No more is to be taken; who waits is woken. */
  close(): void {
    this.#closed = true;
    this.budget.wakeAll();
  }

  /**
   * Gives back what nobody holds, or takes what runs without a slot: the way back from a fault of ours.
   * @param running how many slots are really in use
   * @returns how many there were too many (or, negative, too few)
   */
  reconcile(running: number): number {
    const surplus = this.#held - running;
    for (let i = 0; i < surplus; i++) this.budget.give();
    for (let i = surplus; i < 0; i++) this.budget.take();
    this.#held = running;
    return surplus;
  }

  /** Called by a slot, once. */
  returned(used: boolean): void {
    this.#held--;
    if (used) this.budget.give();
    else this.budget.giveUnused(this.share);
  }
}

/** One slot that was taken. It is given back once, however often that is asked for. */
export class Slot {
  #taken = true;

  constructor(private readonly account: SlotAccount) {}

  /** Back, for whoever is next. */
  give(): void {
    if (!this.#taken) return;
    this.#taken = false;
    this.account.returned(true);
  }

  /** Back, with nothing started on it: it does not count as a start of its share. */
  giveUnused(): void {
    if (!this.#taken) return;
    this.#taken = false;
    this.account.returned(false);
  }

  /** The next task of the same queue runs on it: another start of its share. */
  passOn(): void {
    this.account.slots.charge(this.account.share);
  }
}
