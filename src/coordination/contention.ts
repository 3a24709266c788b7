/**
 * Backoff after a lost compare-and-set. Random pauses spread out the processes that change one record; without them, many
 * such processes would keep defeating each other.
 */
import { sleep } from '../timers.js';

const MOST_MS = 64;

/** Waits before the next try: not at all after the first loss. @param losses number of losses so far, from 1 */
export async function afterLoss(losses: number): Promise<void> {
  if (losses > 1) await sleep(Math.random() * Math.min(MOST_MS, 2 ** losses));
}
