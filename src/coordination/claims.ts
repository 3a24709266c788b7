/**
 * Times shared by the claims of task ids and of unique keys. A caller writes the claim before it adds the job, so a caller
 * that dies in between leaves a claim without a job. Such a claim is free again once its call can no longer be under way.
 */
import { sleep } from '../timers.js';

/** Time to live of a claim that is never released, ms (90 days): longer than any plausible backlog. */
export const LONGEST_LIFE_MS = 90 * 24 * 3_600_000;

/** After this long a claim without a job counts as abandoned even if its call may still be retrying, ms. */
const MOST_MS = 10_000;
/** Time that a call takes beside its retries, ms. */
const MARGIN_MS = 1000;

/** How long a claim may be without a job, ms. */
export function claimMs(publishRetryMs: number): number {
  return Math.min(publishRetryMs + MARGIN_MS, MOST_MS);
}

const FIRST_LOOK_MS = 15;
const LAST_LOOK_MS = 200;

/** Waits before the next look at a claim: 15 ms, doubled with each look, 200 ms at most. */
export function nextLook(looks: number): Promise<void> {
  return sleep(Math.min(LAST_LOOK_MS, FIRST_LOOK_MS * 2 ** looks));
}
