/**
 * How waits treat an unavailable broker. A broker that was reached before will come back: the wait retries until its
 * time is up or the app closes. A broker that was never reached is an error at once.
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { AppClosedError, BrokerUnavailableError } from '../errors.js';
import { onAbort } from './abort.js';
import { WakeUp } from './wake-up.js';

/** Pause between two tries, ms. */
export const AGAIN_MS = 500;

export class RetryWhileUnavailable {
  #reached = false;
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
  ) {}

  /** Notes that the broker has answered. */
  noteReached(): void {
    this.#reached = true;
  }

  /** True if the error means that a broker reached before is unavailable. */
  isAway(error: unknown): boolean {
    if (this.#closed) return false;
    const isThere = this.#reached || this.clock.measured || this.engine.wasThere(error);
    return isThere && this.#isUnavailable(error);
  }

  #isUnavailable(error: unknown): boolean {
    return this.engine.isUnavailable(error) || error instanceof BrokerUnavailableError;
  }

  /**
   * Runs `work`, again and again while the broker is unavailable; rejects with the signal's reason as soon as it
   * aborts.
   */
  through<R>(work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    return untilAborted(signal, async () => {
      for (;;) {
        if (this.#closed) throw new AppClosedError();
        try {
          return await work();
        } catch (error) {
          // The app closed under the request, and its connections with it.
          if (this.#closed && this.#isUnavailable(error)) throw new AppClosedError();
          if (!this.isAway(error)) throw error;
        }
        await new WakeUp().wait(AGAIN_MS, signal);
      }
    });
  }

  close(): void {
    this.#closed = true;
  }
}

/** Rejects at once on abort: the work in progress may take long to notice. */
async function untilAborted<R>(signal: AbortSignal | undefined, body: () => Promise<R>): Promise<R> {
  if (signal === undefined) return body();
  signal.throwIfAborted();
  let leave: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    leave = onAbort(signal, () => reject(signal.reason));
  });
  try {
    return await Promise.race([body(), aborted]);
  } finally {
    leave();
  }
}
