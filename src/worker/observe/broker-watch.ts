/** Tells frequent callers whether the broker answers: one request at a time, and no long wait. */
import type { Engine } from '../../broker/broker.js';
import { within } from '../within.js';

/** A broker that needs longer counts as unavailable, ms. */
export const PATIENCE_MS = 2000;
/**
 * Shorter than a probe's default timeout of one second: an unanswered probe counts as failed, and a restart would not
 * bring a broker back.
 */
export const PROBE_MS = 500;

export class BrokerWatch {
  #asking: Promise<boolean> | undefined;

  constructor(private readonly engine: Engine) {}

  answers(withinMs = PATIENCE_MS): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return within(this.#asking, false, withinMs);
  }

  async #ask(): Promise<boolean> {
    try {
      await this.engine.serverTime();
      return true;
    } catch {
      // Whatever the reason is, the engine has logged it.
      return false;
    }
  }
}
