/**
 * What the app's module listens for itself: signals that end the process. Such a listener closes what tasks use (Nest's
 * shutdown hooks do), so it is held back until the worker has stopped and nothing runs any more.
 */
import type { Celeriac } from '../../app.js';
import { hostOf } from '../../app-host.js';
import { ENDS } from './signals.js';

type Listener = (signal: string) => unknown;

export class HeldSignals {
  readonly #process: NodeJS.EventEmitter = process;
  readonly #own = new Map(ENDS.map((name) => [name, new Set(this.#process.listeners(name))]));
  readonly #held = new Map<string, Listener[]>();

  /** Takes what has been added since this was made. */
  take(): void {
    for (const name of ENDS) {
      const added = this.#process.listeners(name).filter((each) => this.#own.get(name)?.has(each) !== true);
      for (const listener of added) this.#process.off(name, listener as Listener);
      this.#held.set(name, added as Listener[]);
    }
  }

  /**
   * Runs what was taken, then closes what the app is a part of, and the app. From now on no signal ends this process: a
   * listener may send the signal again when it is through, for a process that would have nothing left to do.
   */
  async close(app: Celeriac, signal: string): Promise<void> {
    for (const name of ENDS) this.#process.on(name, () => undefined); // it is at its end
    try {
      await Promise.all((this.#held.get(signal) ?? []).map(async (listener) => listener(signal)));
      await hostOf(app)?.close(signal);
    } finally {
      await app.close();
    }
  }
}
