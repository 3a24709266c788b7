/**
 * The broker's clock, as far as this process knows it: its own clock plus an offset measured on the broker. Delays,
 * expiries and leases are reckoned on it, so that producers whose clocks disagree still agree on "when".
 */
import type { Engine } from './broker.js';
import { untilAnswered } from './until-answered.js';

const REMEASURE_AFTER_MS = 5 * 60_000;

export class BrokerClock {
  #skewMs = 0;
  #stoppedAt: number | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #measuring: Promise<void> | undefined;

  constructor(
    private readonly engine: Engine,
    /** How long a measurement may keep trying, ms. */
    private readonly patienceMs = 0,
  ) {}

  /** Epoch ms by the broker's clock; this process's own until the first measurement. */
  now(): number {
    return this.#stoppedAt ?? Date.now() + this.#skewMs;
  }

  /** Whether it stands still, and moves by `jump` alone. */
  get stopped(): boolean {
    return this.#stoppedAt !== undefined;
  }

  /** Whether the broker has told its time: it was reached once. */
  get measured(): boolean {
    return this.#measuredAt > Number.NEGATIVE_INFINITY;
  }

  /** How far this process's clock is ahead (negative) or behind (positive) of the broker's, ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Stands still from now on, and moves by `jump` alone: for tests. A second stop goes back to the present. */
  stop(): void {
    this.#stoppedAt = Date.now() + this.#skewMs;
  }

  /** Lets time pass while the clock stands still. */
  jump(ms: number): void {
    this.#stoppedAt = this.now() + ms;
  }

  /** Measures the offset unless that was done lately. Resolves at once when it was. */
  sync(): Promise<void> | undefined {
    if (performance.now() - this.#measuredAt < REMEASURE_AFTER_MS) return undefined;
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  async #measure(): Promise<void> {
    const { offsetMs, errorMs } = await untilAnswered(this.patienceMs, () => measureOffset(this.engine));
    // Differences within the error are noise, not skew.
    this.#skewMs = Math.abs(offsetMs) <= errorMs + 1 ? 0 : Math.round(offsetMs);
    this.#measuredAt = performance.now();
  }
}

/** How far the broker's clock is ahead of this machine's, ms, and by how much that can be wrong: half a round trip. */
export async function measureOffset(
  engine: Pick<Engine, 'serverTime'>,
): Promise<{ readonly offsetMs: number; readonly errorMs: number }> {
  const before = Date.now();
  const server = await engine.serverTime();
  const after = Date.now();
  return { offsetMs: server - (before + after) / 2, errorMs: (after - before) / 2 };
}
