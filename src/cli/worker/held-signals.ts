/**
 * Holds back the app module's own listeners of signals that end the process. Such a listener closes resources that
 * tasks use (Nest's shutdown hooks do), so it must never run before the worker has stopped and no task runs any more.
 */
import type { Celeriac } from '../../app.js';
import { hostOf } from '../../app-host.js';
import { ENDS } from './signals.js';

type Listener = (signal: string) => unknown;

export class HeldSignals {
  readonly #process: NodeJS.EventEmitter = process;
  readonly #own = new Map(ENDS.map((name) => [name, new Set(this.#process.listeners(name))]));
  readonly #held = new Map<string, Listener[]>();

  /** Removes and keeps the listeners that were added since this was made. */
  take(): void {
    for (const name of ENDS) {
      const added = this.#process.listeners(name).filter((each) => this.#own.get(name)?.has(each) !== true);
      for (const listener of added) this.#process.off(name, listener as Listener);
      this.#held.set(name, added as Listener[]);
    }
  }

  /**
   * Runs the kept listeners, then closes the application around the app, and the app. From now on no signal ends this
   * process: a listener may send the signal again when it has finished, assuming that the process has nothing left to
   * do.
   */
  async close(app: Celeriac, signal: string): Promise<void> {
    for (const name of ENDS) this.#process.on(name, () => undefined); // the process ends anyway
    try {
      await Promise.all((this.#held.get(signal) ?? []).map(async (listener) => listener(signal)));
      await hostOf(app)?.close(signal);
    } finally {
      await app.close();
    }
  }
}
