/** A bell for one loop that waits. */

import { after } from '../timers.js';
import { onAbort } from './abort.js';

/** Lets the loop sleep until somebody rings, or for a while. A ring while it is awake is not lost: it will not sleep then. */
export class WakeUp {
  #woken = false;
  #wake: () => void = () => undefined;

  wake(): void {
    this.#woken = true;
    this.#wake();
  }

  /**
   * @param ms at most so long; undefined: until somebody rings
   * @throws the signal's reason when that aborts
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
