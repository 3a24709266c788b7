/**
 * The size of a worker's shared slots over time. Without a range the size stays as it is. With one, the size grows as
 * soon as tasks want more slots than there are, and shrinks to the peak use once that has been lower for a while.
 */

import { CeleriacError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import type { AutoscaleRange } from '../../options/worker-values.js';
import type { Slots } from '../../queue/slots.js';

/** Interval between looks, and how many looks the peak spans (Celery waits 30 s: `AUTOSCALE_KEEPALIVE`). */
const LOOK_MS = 1000;
const LOOKS = 5;

export class Autoscale {
  #range: AutoscaleRange | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOn = false;
  #seen: number[] = [];
  #loggedSize: number;

  constructor(
    private readonly slots: Slots,
    range: AutoscaleRange | undefined,
    private readonly logger: Logger,
  ) {
    this.#range = range;
    this.#loggedSize = slots.limit;
  }

  get range(): AutoscaleRange | undefined {
    return this.#range;
  }

  /** Starts autoscaling, if a range is set; otherwise as soon as one is. */
  start(): void {
    this.#isOn = true;
    if (this.#range !== undefined) this.set(this.#range);
  }

  /** Autoscales within this range from now on. */
  set(range: AutoscaleRange): void {
    this.#range = range;
    this.#seen = [];
    this.slots.whenShort(() => this.#grow());
    this.#resize(Math.min(range.max, Math.max(range.min, this.slots.limit)));
    if (this.#isOn) this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Adds slots, even beyond the range, which moves along (Celery: `force_scale_up`). */
  grow(n: number): void {
    this.#change(this.slots.limit + n);
  }

  /** Removes slots; running tasks finish. @throws {CeleriacError} when there are not so many */
  shrink(n: number): void {
    if (this.slots.limit < n) throw new CeleriacError(`the pool has only ${this.slots.limit} slots`);
    this.#change(this.slots.limit - n);
  }

  /** Stops autoscaling until `start`. May be called twice. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#isOn = false;
  }

  #change(size: number): void {
    if (this.#range !== undefined) {
      const { max, min } = this.#range;
      this.#range = { max: Math.max(max, size), min: Math.min(min, size) };
      this.#seen = [size];
    }
    this.#resize(size);
  }

  #grow(): void {
    if (this.#isOn && this.#range !== undefined && this.slots.limit < this.#range.max)
      this.slots.resize(Math.max(this.slots.limit, this.slots.used) + 1);
  }

  #look(): void {
    this.#seen = [...this.#seen.slice(1 - LOOKS), this.slots.used];
    const { limit } = this.slots;
    const wanted = Math.max(this.#range?.min ?? limit, ...this.#seen);
    if (this.#seen.length === LOOKS && wanted < limit) this.slots.resize(wanted);
    if (this.slots.limit === this.#loggedSize) return;
    this.logger.info({ from: this.#loggedSize, to: this.slots.limit }, 'autoscale changed concurrency');
    this.#loggedSize = this.slots.limit;
  }

  #resize(size: number): void {
    this.slots.resize(size);
    this.#loggedSize = size;
  }
}
