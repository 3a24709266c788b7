/**
 * A worker's look at the list of wake-ups, in case a sender died between storing a value and waking up the task that
 * waits for it. Whichever queues the worker consumes, it looks after all; each task is looked at by one worker at a time.
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { Logger } from '../options/logger.js';
import { after, type Cancel } from '../timers.js';
import { wakeIfAnswered } from './wake.js';

export interface WakeWatchParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: Logger;
}

/** How often to look, ms. */
const LOOK_MS = 5_000;
/** Most tasks taken at a time. */
const MOST = 100;
/** After this long another look finds the tasks that were taken and not woken, ms. */
const LEASE_MS = 4_000;

export class WakeWatch {
  #cancel: Cancel = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(private readonly params: WakeWatchParams) {}

  start(): void {
    this.#stopped = false;
    this.#later();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#round;
  }

  /** One look. @returns how many tasks it found */
  async look(): Promise<number> {
    const { engine, clock } = this.params;
    const due = await engine.steps.due(clock.now(), MOST, LEASE_MS);
    for (const ref of due) await wakeIfAnswered(engine, ref, true);
    return due.length;
  }

  #later(): void {
    const look = () => {
      this.#round = this.#looked();
    };
    this.#cancel = after(LOOK_MS, look, { ref: false });
  }

  /** Never rejects. */
  async #looked(): Promise<void> {
    try {
      while (!this.#stopped && (await this.look()) === MOST);
    } catch (error) {
      // The next look tries again; an outage is reported by the engine.
      if (!this.params.engine.isUnavailable(error) && !this.#stopped)
        this.params.logger.warn({ error }, 'looking after tasks that wait failed');
    }
    if (!this.#stopped) this.#later();
  }
}
