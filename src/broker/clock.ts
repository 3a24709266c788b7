/**
 * The broker's clock as this process estimates it: its own clock plus an offset measured on the broker. Delays, expiries
 * and leases use this clock, so that producers whose clocks disagree still agree on moments.
 */
import type { Engine } from './broker.js';
import { untilAnswered } from './until-answered.js';

const REMEASURE_AFTER_MS = 5 * 60_000;

/** The broker's clock, in epoch ms. */
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

  /** Whether the clock is stopped, so that only `jump` moves it. */
  get stopped(): boolean {
    return this.#stoppedAt !== undefined;
  }

  /** Whether the offset was measured at least once, so the broker was reached. */
  get measured(): boolean {
    return this.#measuredAt > Number.NEGATIVE_INFINITY;
  }

  /** How far this process's clock is ahead (negative) or behind (positive) of the broker's, ms. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Stops the clock, for tests: only `jump` moves it from now on. A second stop returns to the present. */
  stop(): void {
    this.#stoppedAt = Date.now() + this.#skewMs;
  }

  /** Moves the stopped clock forward. */
  jump(ms: number): void {
    this.#stoppedAt = this.now() + ms;
  }

  /** Measures the offset. `undefined` when it was measured within the last five minutes. */
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

/** How far the broker's clock is ahead of this machine's, ms, and the most that this may be wrong: half a round trip. */
export async function measureOffset(
  engine: Pick<Engine, 'serverTime'>,
): Promise<{ readonly offsetMs: number; readonly errorMs: number }> {
  const before = Date.now();
  const server = await engine.serverTime();
  const after = Date.now();
  return { offsetMs: server - (before + after) / 2, errorMs: (after - before) / 2 };
}
