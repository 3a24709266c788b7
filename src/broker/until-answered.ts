/**
 * Retries the steps before a call's send (reading the broker's time, claiming a key or an id) while the broker is
 * unreachable, for as long as a call may keep trying. The send itself retries in the same way.
 */
import { isCeleriacError } from '../errors.js';
import { sleep } from '../timers.js';

/** Pause between two tries, ms. */
const PAUSE_MS = 50;

/** Runs `body` until the broker answers. @param body must be safe to repeat: the answer to a completed try may be lost */
export async function untilAnswered<R>(budgetMs: number, body: () => Promise<R>): Promise<R> {
  const giveUpAt = performance.now() + budgetMs;
  for (;;) {
    try {
      return await body();
    } catch (error) {
      if (!isCeleriacError(error, 'BROKER_UNAVAILABLE') || performance.now() >= giveUpAt) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
