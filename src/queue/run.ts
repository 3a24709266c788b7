/**
 * One job that a worker has fetched, from the fetch to the end of its last write. A run owns its slot, its lock and its
 * rate token. Runs are passed by reference and must never be looked up by job id: the same job may be fetched again before
 * the answer to the write of its earlier run has arrived.
 */
import type { Job } from 'bullmq';
import type { RateToken } from '../coordination/rate-limits.js';
import { type Appetite, type Delivery, type DeliveryHost, JobDelivery } from './delivery.js';
import type { RunLock } from './locks/run-locks.js';
import type { Slot, SlotAccount } from './slots.js';

/** How often a run that waits for its slot looks for one, ms: a wake-up may go to another. */
const LOOK_MS = 5000;

/** One run of a job. A class for the same reason as {@link JobDelivery}. */
export class Run {
  readonly delivery: Delivery;
  readonly turn: RateToken | undefined;
  /** Its end sends no notice, since it has no waiters. */
  quiet = false;
  /** What its end may bring though it has no slot. */
  appetite: Appetite | undefined;
  /** Its index among the runs of its consumer. */
  place = -1;
  #slot: Slot | undefined;
  #afterwards: (() => Promise<void>)[] | undefined;
  #released = false;

  constructor(
    readonly job: Job,
    /** The token of its lock, unique among all jobs that run at one moment. */
    readonly token: string,
    slot: Slot | undefined,
    private readonly account: Pick<SlotAccount, 'take' | 'retake' | 'takeAnyway' | 'whenFree' | 'wakeNext'>,
    private readonly lock: RunLock,
    turn: RateToken | undefined,
    queue: string,
    host: DeliveryHost,
  ) {
    this.#slot = slot;
    this.turn = turn === undefined ? undefined : new RunTurn(turn);
    this.delivery = new JobDelivery(job, queue, host, this);
  }

  /** Whether it has a slot: see `lendSlot`. */
  get hasSlot(): boolean {
    return this.#slot !== undefined;
  }

  /** Takes a slot if one is free: for a job that came without one. */
  takeFreeSlot(): void {
    if (!this.#released) this.#slot ??= this.account.take();
  }

  /** Gives its slot to others, while its task does nothing but wait. */
  lendSlot(): void {
    this.#slot?.give();
    this.#slot = undefined;
  }

  /** Takes a slot again, before its task goes on. */
  async regainSlot(): Promise<void> {
    while (this.#slot === undefined && !this.#released) {
      this.#slot = this.account.retake();
      if (this.#slot === undefined) await this.account.whenFree(LOOK_MS);
    }
    // It has ended meanwhile: the wake-up that it had was meant for a slot that somebody else may take.
    if (this.#slot === undefined) this.account.wakeNext();
  }

  /** Takes a slot at once, in place of that of another run, which gives it back right after. */
  takeSlot(): void {
    if (!this.#released) this.#slot ??= this.account.takeAnyway();
  }

  /** Runs `body` after the job's outcome was written. */
  afterwards(body: () => Promise<void>): void {
    this.#afterwards ??= [];
    this.#afterwards.push(body);
  }

  /** The registered bodies; returned only once. */
  takeAfterwards(): readonly (() => Promise<void>)[] | undefined {
    const bodies = this.#afterwards;
    this.#afterwards = undefined;
    return bodies;
  }

  /** Hands the slot to the next run, which must release it. */
  passSlot(): Slot | undefined {
    const slot = this.#slot;
    this.#slot = undefined;
    slot?.passOn();
    return slot;
  }

  /** Releases lock, slot and rate token. Idempotent. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.lock.release();
    this.#slot?.give();
    this.#slot = undefined;
    this.turn?.unused()?.catch(() => undefined); // best effort: the token is lost
  }
}

/** A rate token of which only the first call counts, whether used or unused. */
class RunTurn implements RateToken {
  #open = true;

  constructor(private readonly turn: RateToken) {}

  used(): Promise<void> | undefined {
    return this.#close() ? this.turn.used() : undefined;
  }

  unused(): Promise<void> | undefined {
    return this.#close() ? this.turn.unused() : undefined;
  }

  #close(): boolean {
    const open = this.#open;
    this.#open = false;
    return open;
  }
}
