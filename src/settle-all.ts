/** Waits for several promises of which no failure may skip another. */

/** Waits for all to settle; then rejects with the first failure, if any. */
export async function settleAll(work: Iterable<unknown>): Promise<void> {
  const failure = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
}
