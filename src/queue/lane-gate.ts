/**
 * What stands before a lane: asked before each fetch, so that what may not start yet stays in the queue, unlocked, and
 * takes no slot. Waiting is done here too, and ends early when the limit changed or the consumer closes.
 */

import type { RateDecision, RateLimits, RateToken } from '../coordination/rate-limits.js';
import { placeName, type Semaphores } from '../coordination/semaphore.js';
import { after } from '../timers.js';

/** A gate is asked again at least this often: what it waits for may change without a word. */
const LONGEST_PAUSE_MS = 1000;

export interface LaneGateParams {
  readonly task: string;
  readonly rates: Pick<RateLimits, 'take'>;
  readonly semaphores: Pick<Semaphores, 'mayEnter'>;
  /** How many run at once, where that is limited without a key. */
  readonly limit: number | undefined;
}

/** What asking a gate gives. The turn is the caller's, to be used or given back. */
export type LaneEntry =
  | { readonly granted: true; readonly turn: RateToken | undefined }
  | { readonly granted: false };

const REFUSED: LaneEntry = { granted: false };

export class LaneGate {
  #closed = false;
  /** Until when it need not be asked, on this process's steady clock. */
  #closedUntil = 0;
  #wake: (() => void) | undefined;

  constructor(private readonly params: LaneGateParams) {}

  /** How long it is shut for, ms; 0 when it may be asked. */
  get closedForMs(): number {
    return this.#closed ? 0 : Math.max(0, this.#closedUntil - performance.now());
  }

  /** Whether the next job may be fetched. Refused, it is shut for a while. */
  async enter(): Promise<LaneEntry> {
    if (this.#closed) return REFUSED;
    const { task, rates, semaphores, limit } = this.params;
    // The place itself is taken by the job, when it has one: here it only spares the fetch.
    if (limit !== undefined && !(await semaphores.mayEnter(placeName(task), limit)))
      return this.#closeFor(LONGEST_PAUSE_MS);
    const permit: RateDecision = await rates.take(task);
    if (!permit.granted) return this.#closeFor(permit.waitMs);
    return { granted: true, turn: permit.turn };
  }

  /** Resolves when it may be asked again, or is woken, or closed. */
  untilOpen(): Promise<void> {
    const ms = this.closedForMs;
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = after(Math.ceil(ms), () => this.wake());
      this.#wake = () => {
        cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** It may be asked again now. */
  wake(): void {
    this.#closedUntil = 0;
    this.#wake?.();
  }

  /** Nobody is let in any more. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  #closeFor(ms: number): LaneEntry {
    this.#closedUntil = performance.now() + Math.min(ms, LONGEST_PAUSE_MS);
    return REFUSED;
  }
}
