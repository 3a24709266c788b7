/**
 * The gate of a lane: checked before each fetch, so that a job which may not start yet stays in the queue, unlocked, and
 * takes no slot. The gate also waits; the wait ends early when the limit changes or the consumer closes.
 */

import type { RateDecision, RateLimits, RateToken } from '../coordination/rate-limits.js';
import { placeName, type Semaphores } from '../coordination/semaphore.js';
import { after } from '../timers.js';

/** Longest time until a gate is checked again, ms: the limit may free up without a notice. */
const LONGEST_PAUSE_MS = 1000;

export interface LaneGateParams {
  readonly task: string;
  readonly rates: Pick<RateLimits, 'take'>;
  /** Whether the next job of the lane is a task that goes on after a sleep or a wait: that needs no token. */
  wakingNext(): Promise<boolean>;
  readonly semaphores: Pick<Semaphores, 'mayEnter'>;
  /** How many tasks may run at once, for a limit without a key. */
  readonly limit: number | undefined;
}

/** The answer of a gate. The caller must use or return the rate token `turn`; without one only a waking may begin. */
export type LaneEntry =
  | { readonly granted: true; readonly turn: RateToken | undefined }
  | { readonly granted: false };

const WAKING: LaneEntry = { granted: true, turn: undefined };
const REFUSED: LaneEntry = { granted: false };

export class LaneGate {
  #closed = false;
  /** Until when the gate stays shut, on this process's steady clock, ms. */
  #closedUntil = 0;
  #wake: (() => void) | undefined;

  constructor(private readonly params: LaneGateParams) {}

  /** How long the gate stays shut, ms; 0 when it may be checked. */
  get closedForMs(): number {
    return this.#closed ? 0 : Math.max(0, this.#closedUntil - performance.now());
  }

  /** Asks whether the next job may be fetched. After a refusal the gate is shut for up to a second. */
  async enter(): Promise<LaneEntry> {
    if (this.#closed) return REFUSED;
    const { task, rates, semaphores, limit } = this.params;
    // The job itself takes the place later; this check only saves a useless fetch.
    if (limit !== undefined && !(await semaphores.mayEnter(placeName(task), limit)))
      return this.#closeFor(LONGEST_PAUSE_MS);
    const permit: RateDecision = await rates.take(task);
    if (permit.granted) return { granted: true, turn: permit.turn };
    return (await this.params.wakingNext()) ? WAKING : this.#closeFor(permit.waitMs);
  }

  /** Resolves when the gate may be checked again, is woken up, or is closed. */
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

  /** Lets the gate be checked again at once. */
  wake(): void {
    this.#closedUntil = 0;
    this.#wake?.();
  }

  /** Refuses all fetches from now on. */
  close(): void {
    this.#closed = true;
    this.wake();
  }

  #closeFor(ms: number): LaneEntry {
    this.#closedUntil = performance.now() + Math.min(ms, LONGEST_PAUSE_MS);
    return REFUSED;
  }
}
