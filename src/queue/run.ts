/**
 * One job that a worker has fetched, from its fetch to the end of its last write: it owns the slot it runs on, the lock
 * it is held by and the turn it was let out of its lane by. It is passed by reference, and known by nothing else: the
 * same job may be fetched again before the end of an earlier run of it has been heard of.
 */
import type { Job } from 'bullmq';
import type { RateToken } from '../coordination/rate-limits.js';
import { type Delivery, type DeliveryHost, JobDelivery } from './delivery.js';
import type { RunLock } from './locks/run-locks.js';
import type { Slot } from './slots.js';

/** What a run is made of. A class, like everything that is made for each task: see {@link JobDelivery}. */
export class Run {
  readonly delivery: Delivery;
  readonly turn: RateToken | undefined;
  /** No notice is sent of its end: nobody may wait for it. */
  quiet = false;
  /** Where it stands among the runs of its consumer. */
  place = -1;
  #slot: Slot | undefined;
  #afterwards: (() => Promise<void>)[] | undefined;
  #released = false;

  constructor(
    readonly job: Job,
    /** Of its lock. Of all that runs at one moment, nothing else has it. */
    readonly token: string,
    slot: Slot,
    private readonly lock: RunLock,
    turn: RateToken | undefined,
    queue: string,
    host: DeliveryHost,
  ) {
    this.#slot = slot;
    this.turn = turn === undefined ? undefined : new RunTurn(turn);
    this.delivery = new JobDelivery(job, queue, host, this);
  }

  /** `body` runs once the job's fate has been written. */
  afterwards(body: () => Promise<void>): void {
    this.#afterwards ??= [];
    this.#afterwards.push(body);
  }

  /** What was asked to run afterwards; given out once. */
  takeAfterwards(): readonly (() => Promise<void>)[] | undefined {
    const bodies = this.#afterwards;
    this.#afterwards = undefined;
    return bodies;
  }

  /** The slot for the run that follows this one. It is given back by that one, then. */
  passSlot(): Slot | undefined {
    const slot = this.#slot;
    this.#slot = undefined;
    slot?.passOn();
    return slot;
  }

  /** Gives everything back. Idempotent. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.lock.release();
    this.#slot?.give();
    this.#slot = undefined;
    this.turn?.unused()?.catch(() => undefined); // a turn lost
  }
}

/** A turn that is used, or given back, once: by whoever says so first. */
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
