/**
 * Keeps `resultExpires` and `failureExpires` without traffic: BullMQ drops old records only when others finish. Every
 * worker may be the janitor of a queue; one is, elected by a record that runs out. Works in bounded steps, so that the
 * broker is never blocked for long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerClock } from '../broker/clock.js';
import type { Engine } from '../broker/engine.js';
import type { Logger } from '../options/logger.js';

export interface JanitorParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: Logger;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  /** The queues looked after: those this worker consumes now. */
  queues(): readonly string[];
}

/** Records removed in one step of the broker, about 10 ms of its time. */
const STEP = 500;
/** Between steps others get their turn. */
const PAUSE_MS = 20;
const MAX_INTERVAL_MS = 60_000;
const MIN_INTERVAL_MS = 500;

export class Janitor {
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(private readonly params: JanitorParams) {
    const shortest = Math.min(params.resultExpiresMs, params.failureExpiresMs);
    this.#intervalMs = Math.max(MIN_INTERVAL_MS, Math.min(MAX_INTERVAL_MS, shortest / 4));
  }

  start(): void {
    this.#timer = setInterval(() => void this.#round(), this.#intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #round(): Promise<void> {
    for (const queue of this.params.queues()) {
      try {
        if (!(await this.#elected(queue))) continue;
        await this.params.engine.queues.note([queue]);
        await this.#clean(queue);
      } catch (error) {
        // The next round tries again; an outage is reported by the engine.
        if (!this.params.engine.isUnavailable(error))
          this.params.logger.warn({ error, queue }, 'cleaning up failed');
      }
    }
  }

  /** One janitor a queue and interval in the whole fleet. */
  #elected(queue: string): Promise<boolean> {
    return this.params.engine.records.create(`janitor:${queue}`, '', this.#intervalMs * 0.9);
  }

  async #clean(queue: string): Promise<void> {
    const { engine, clock, resultExpiresMs, failureExpiresMs } = this.params;
    const backend = await engine.backend(queue);
    const kinds = [
      ['completed', resultExpiresMs],
      ['failed', failureExpiresMs],
    ] as const;
    for (const [state, keptMs] of kinds) {
      for (;;) {
        const removed = await backend.cleanJobsByState(state, clock.now() - keptMs, STEP);
        if (removed.length < STEP || this.#stopped) break;
        await sleep(PAUSE_MS);
      }
    }
  }
}
