/** Runs `work` for `count` indexes from `first`, always `width` of them at a time. */
export async function inFlight(
  range: { first: number; count: number; width: number },
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  const end = range.first + range.count;
  let next = range.first;
  const lane = async (): Promise<void> => {
    while (next < end) await work(next++);
  };
  await Promise.all(Array.from({ length: range.width }, lane));
}
