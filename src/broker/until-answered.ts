/**
 * What comes before a call's own send (the broker's time, the claim of a key or an id) rides out a lost connection like the
 * send does: it is done again until the broker answers, for as long as a call may keep trying.
 */
import { isCeleriacError } from '../errors.js';
import { sleep } from '../timers.js';

/** Between two tries. */
const PAUSE_MS = 50;

/** @param body what may be done twice: the answer to a try that was carried out may be lost */
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
