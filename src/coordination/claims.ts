/**
 * What claims of task ids and unique keys have in common. A claim is written before the job it is for, so a caller that dies
 * between the two leaves one without a job: that one is nobody's as soon as its call cannot be under way any more.
 */
import { sleep } from '../timers.js';

/** A record that nobody takes away goes by itself: longer than the longest backlog one may hope for. */
export const LONGEST_LIFE_MS = 90 * 24 * 3_600_000;

/** A call that keeps trying for longer is told from an abandoned one by this, ms. */
const MOST_MS = 10_000;
/** What a call takes beside trying, ms. */
const MARGIN_MS = 1000;

/** How long a claim may be without a job, ms. */
export function claimMs(publishRetryMs: number): number {
  return Math.min(publishRetryMs + MARGIN_MS, MOST_MS);
}

const FIRST_LOOK_MS = 15;
const LAST_LOOK_MS = 200;

/** Resolves when a claim is to be looked at again. */
export function nextLook(looks: number): Promise<void> {
  return sleep(Math.min(LAST_LOOK_MS, FIRST_LOOK_MS * 2 ** looks));
}
