/** What was thrown, or an error in its place when merely looking at it throws (a revoked proxy). */
export function examinable(thrown: unknown): unknown {
  try {
    void (thrown instanceof Error);
    return thrown;
  } catch {
    return new Error('Something was thrown that cannot be examined: looking at it throws. Throw an Error.');
  }
}
