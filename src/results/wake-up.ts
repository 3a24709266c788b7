/** An event that wakes up one waiting loop. */

import { after } from '../timers.js';
import { onAbort } from './abort.js';

/**
 * Lets a loop sleep until it is woken, or for a time. A wake-up while the loop is awake is kept: the next sleep is
 * skipped.
 */
export class WakeUp {
  #woken = false;
  #wake: () => void = () => undefined;

  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /**
   * @param ms longest sleep; undefined: no limit
   * @throws the signal's reason when it aborts
   */
  async wait(ms: number | undefined, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#woken) {
      const { promise, resolve } = withResolvers();
      this.#wake = resolve;
      const cancel = ms === undefined ? undefined : after(ms, resolve);
      const leave = onAbort(signal, resolve);
      await promise;
      cancel?.();
      leave();
      signal?.throwIfAborted();
    }
    this.#woken = false;
  }
}

// Promise.withResolvers, which Node 20 lacks.
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
