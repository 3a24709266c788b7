/**
 * Slots: limit how many tasks run at once. One `Slots` serves several queues of a worker (the shared budget) or a single
 * one (a consumer added with its own concurrency). Its size may change while tasks run.
 */
import { after } from '../timers.js';
/** A queue's share of slots that it shares with other queues: starts are granted in proportion to weights. */
export class Share {
  /** Starts so far, divided by the weight. The waiting share with the lowest value is next. */
  had = 0;

  constructor(readonly weight = 1) {}
}

/** A consumer that waits for a slot. A queue and its lanes have one share. */
export interface Claimant {
  readonly share: Share;
}

/** How far an idle or new share may be behind the others, in starts over weight, so that no queue saves up for a rush. */
const CREDIT = 1;

/** A budget of slots. */
export class Slots {
  #used = 0;
  #waiting: { readonly who: Claimant; readonly wake: () => void }[] = [];
  /** The highest `had` of any share at the moment of a start. */
  #level = 0;
  #onShort: () => void = () => undefined;

  constructor(private size: number) {}

  get used(): number {
    return this.#used;
  }

  get limit(): number {
    return this.size;
  }

  /** Calls `grow` whenever a consumer is about to wait for a slot; `grow` may resize. */
  whenShort(grow: () => void): void {
    this.#onShort = grow;
  }

  /** Changes the size. Growing takes effect at once; after shrinking, running tasks finish and are not replaced. */
  resize(size: number): void {
    this.size = Math.max(0, size);
    this.wakeNext();
  }

  /**
   * Whether a task of `who` that just ended may be replaced at once: not while another consumer waits whose share had no
   * more starts than this one's. The consumer's own fetch loop may wait too; it only gains if the next task comes with the
   * end of another.
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
    this.wakeNext();
  }

  /** Returns a slot on which nothing started. */
  giveUnused(share: Share): void {
    share.had -= 1 / share.weight;
    this.give();
  }

  /** Counts a start of this share. */
  charge(share: Share): void {
    this.#catchUp(share);
    this.#level = Math.max(this.#level, share.had);
    share.had += 1 / share.weight;
  }

  /**
   * Resolves with `true` when a slot may be free, `false` after `timeoutMs`.
   * @param who the consumer that waits, see `mayContinue`
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

  /** Wakes up every waiter, to check again; used when a consumer stops. */
  wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { wake } of waiting) wake();
  }

  /** Wakes up waiters while slots are free: the share with the fewest starts first, then the longest wait. */
  wakeNext(): void {
    for (let free = this.size - this.#used; free > 0 && this.#waiting.length > 0; free--) {
      const next = this.#waiting.reduce((a, b) => (b.who.share.had < a.who.share.had ? b : a));
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.wake();
    }
  }

  #catchUp(share: Share): void {
    share.had = Math.max(share.had, this.#level - CREDIT);
  }
}

/** The slots that one consumer holds, all of one budget; {@link switchTo} moves them to another budget. */
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

  /** How many slots the consumer holds. */
  get held(): number {
    return this.#held;
  }

  /** Whether a slot is free now. */
  get hasRoom(): boolean {
    return !this.#closed && this.budget.used < this.budget.limit;
  }

  /** Takes a slot for a start of this share; `undefined` when none is free. */
  take(): Slot | undefined {
    if (this.#closed || !this.budget.tryTake(this.share)) return undefined;
    this.#held++;
    return new Slot(this);
  }

  /** Takes a slot for a task that runs already; `undefined` when none is free, unless the consumer is about to end. */
  retake(): Slot | undefined {
    const slot = this.take();
    return slot !== undefined || !this.#closed ? slot : this.takeAnyway();
  }

  /** Takes a slot whether or not one is free: for what runs already, in place of a slot that is given back. */
  takeAnyway(): Slot {
    this.budget.take();
    this.#held++;
    return new Slot(this);
  }

  /** Whether the next task of the same queue may follow an ended one at once. */
  mayContinue(): boolean {
    return !this.#closed && this.budget.mayContinue(this);
  }

  /** Resolves with `true` when a slot may be free, `false` after `timeoutMs` or once the account is closed. */
  async whenFree(timeoutMs: number): Promise<boolean> {
    return !this.#closed && (await this.budget.whenFree(timeoutMs, this)) && !this.#closed;
  }

  /** Wakes up whoever waits for a slot, if one is free. */
  wakeNext(): void {
    this.budget.wakeNext();
  }

  /** Moves the consumer to other slots, together with the slots that it holds. */
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

  /** Lets no more slots be taken, and wakes up the waiters. */
  close(): void {
    this.#closed = true;
    this.budget.wakeAll();
  }

  /**
   * Corrects the count after a fault of ours: returns slots without a run, or takes slots for runs without one.
   * @param running how many slots are really in use
   * @returns the surplus of held slots; negative for a shortage
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

/** A taken slot. Only the first return counts. */
export class Slot {
  #taken = true;

  constructor(private readonly account: SlotAccount) {}

  /** Returns the slot. */
  give(): void {
    if (!this.#taken) return;
    this.#taken = false;
    this.account.returned(true);
  }

  /** Returns the slot without a start: the start of its share is not counted. */
  giveUnused(): void {
    if (!this.#taken) return;
    this.#taken = false;
    this.account.returned(false);
  }

  /** Keeps the slot for the next task of the same queue, and counts another start of its share. */
  passOn(): void {
    this.account.slots.charge(this.account.share);
  }
}
