/**
 * How those who wait meet a broker that is away: one that was there comes back, so they try again until their time is up
 * or the app closes; one that never was is an error at once.
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { AppClosedError, BrokerUnavailableError } from '../errors.js';
import { onAbort } from './abort.js';
import { WakeUp } from './wake-up.js';

/** How long a pause between two tries is, ms. */
export const AGAIN_MS = 500;

export class RetryWhileUnavailable {
  #reached = false;
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
  ) {}

  /** The broker has answered somebody who waits. */
  noteReached(): void {
    this.#reached = true;
  }

  /** Whether what went wrong is that the broker, which was there, is away. */
  isAway(error: unknown): boolean {
    if (this.#closed) return false;
    const isThere = this.#reached || this.clock.measured || this.engine.wasThere(error);
    return isThere && (this.engine.isUnavailable(error) || error instanceof BrokerUnavailableError);
  }

  /** Does it, again and again while the broker is away; rejects with the signal's reason as soon as that aborts. */
  through<R>(work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    return untilAborted(signal, async () => {
      for (;;) {
        if (this.#closed) throw new AppClosedError();
        try {
          return await work();
        } catch (error) {
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

/** What is under way may take long to notice: nobody waits for that. */
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
