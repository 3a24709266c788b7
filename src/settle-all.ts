/** Waiting for several ends of which none may cost another its own. */

/** Waits for all, whatever becomes of each; then rejects with the first failure, if any. */
export async function settleAll(work: Iterable<unknown>): Promise<void> {
  const failure = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
}
