/**
 * Whether the broker answers, for those who ask often: one question at a time, and none that waits for long.
 */
import type { Engine } from '../../broker/broker.js';
import { within } from '../within.js';

/** A broker that needs longer is as good as away. */
export const PATIENCE_MS = 2000;
/** A probe that hears nothing for a second counts as a no by default, and a restart brings no broker back. */
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
