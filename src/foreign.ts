/**
 * Calls foreign code whose failure must not affect celeriac: loggers, listeners. Errors that it throws or rejects with go
 * to `onError` and nowhere else. Code that decides the outcome of a task or call (methods, middleware, serializers) must
 * not be called through here, since its failure is part of that outcome.
 */

/** Runs `call`, and reports its error or rejection to `onError`. Never throws, even if `onError` throws. */
export function callForeign(call: () => unknown, onError: (error: unknown) => void): void {
  try {
    const answer = call();
    // A custom `then` may throw too; the promise turns that into a rejection.
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
    // onError failed too: there is no one left to report to.
  }
}
