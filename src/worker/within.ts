/**
 * Waiting no longer than makes sense: for what may hang on a broker that does not answer.
 */
import { after } from '../timers.js';

/** What `promise` gives, or `late` when it takes too long. Its failure is the caller's as well, unless it comes late. */
export function within<T>(promise: Promise<T>, late: T, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = after(withinMs, () => resolve(late));
    promise.then(resolve, reject).finally(cancel);
  });
}
