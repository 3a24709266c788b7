/**
 * Whether the broker answers, for those who ask often: one question at a time, and none that waits for long.
 */
import type { Engine } from '../broker/engine.js';
import { inTime } from './in-time.js';

/** A broker that needs longer is as good as away. */
export const PATIENCE_MS = 2000;

export class BrokerWatch {
  #asking: Promise<boolean> | undefined;

  constructor(private readonly engine: Engine) {}

  answers(): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return inTime(this.#asking, false, PATIENCE_MS);
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
