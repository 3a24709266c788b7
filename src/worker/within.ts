/** A bounded wait, for calls that may hang on a broker that does not answer. */
import { after } from '../timers.js';

/** The result of `promise`, or `late` after `withinMs`. Rejects as `promise` does, unless that happens later. */
export function within<T>(promise: Promise<T>, late: T, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = after(withinMs, () => resolve(late));
    promise.then(resolve, reject).finally(cancel);
  });
}
