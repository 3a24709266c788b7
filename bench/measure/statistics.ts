/** The two statistics the report is made of. Both want at least one number. */

export function median(numbers: readonly number[]): number {
  return percentile(numbers, 50);
}

/** Interpolated between the two nearest ranks. */
export function percentile(numbers: readonly number[], percent: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const rank = ((sorted.length - 1) * percent) / 100;
  const below = sorted[Math.floor(rank)] ?? Number.NaN;
  const above = sorted[Math.ceil(rank)] ?? Number.NaN;
  return below + (above - below) * (rank - Math.floor(rank));
}
