/**
 * Which attempt of which task a stream belongs to, as the worker that writes it and its readers say alike. Pure.
 */

/**
 * The number of an attempt: 0 is the first. A retry, a lost worker and a hand-back each begin another; waking up does not.
 * @param source `deliveries`: how often a worker began the task, wakings not included
 */
export function attemptOf({ deliveries }: { readonly deliveries: number }): number {
  return Math.max(0, deliveries - 1);
}

/**
 * Distinguishes tasks that use one id after each other.
 * @param queue where the job really lies: in a lane its deliveries are counted anew
 * @param source `sentAt`: epoch ms
 */
export function originOf(queue: string, { sentAt }: { readonly sentAt: number }): string {
  return `${sentAt}/${queue}`;
}
