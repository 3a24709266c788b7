/**
 * Waiting between two tries of a compare-and-set that others won. Those who lose to each other come back one after another,
 * not all at once: without it many who change one record keep each other from it for as long as they are many.
 */
import { sleep } from '../timers.js';

const MOST_MS = 64;

/** Resolves when it is worth trying again; at once after the first loss. @param losses how often it was lost so far, from 1 */
export async function afterLoss(losses: number): Promise<void> {
  if (losses > 1) await sleep(Math.random() * Math.min(MOST_MS, 2 ** losses));
}
