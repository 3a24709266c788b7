/**
 * Calls code that is not ours where its failure is nobody's business but its own: loggers, listeners. Whatever it throws,
 * or rejects with, sooner or later, goes to `onError` and nowhere else. What a task's outcome or a call depends on
 * (methods, middleware, serializers) is not called through here: there a failure is an answer.
 */

/** Never throws, whatever `call` and `onError` do. */
export function callForeign(call: () => unknown, onError: (error: unknown) => void): void {
  try {
    const answer = call();
    // An own `then` may throw as well, which the promise takes for a rejection.
    if (isThenable(answer)) Promise.resolve(answer).catch((error: unknown) => report(error, onError));
  } catch (error) {
    report(error, onError);
  }
}

function isThenable(value: unknown): boolean {
  return (typeof value === 'object' || typeof value === 'function') && value !== null && 'then' in value;
}

function report(error: unknown, onError: (error: unknown) => void): void {
  try {
    onError(error);
  } catch {
    // Whoever is to hear of it fails as well: there is nobody left.
  }
}
