/**
 * Async generators as task bodies: telling them from other values, and keeping the async context of a call in them. The
 * body of a generator runs in the context of whoever asks it for the next value, not in that of whoever made it.
 */

import { OptionError } from '../errors.js';

/** The object that an async generator function returns, of whichever realm or compiler. */
export type Generating = AsyncGenerator<unknown, unknown, undefined>;

/** Whether a body returned an async generator. */
export function isAsyncGenerator(value: unknown): value is Generating {
  if (typeof value !== 'object' || value === null || !(Symbol.asyncIterator in value)) return false;
  return (
    typeof Reflect.get(value, 'next') === 'function' &&
    typeof Reflect.get(value, 'return') === 'function' &&
    typeof Reflect.get(value, 'throw') === 'function'
  );
}

/**
 * Refuses a plain generator function as a task: nothing in it can be awaited, and it gives no result by itself.
 * @throws {OptionError}
 */
export function refuseSyncGenerator(code: unknown, where: string): void {
  if (Object.prototype.toString.call(code) !== '[object GeneratorFunction]') return;
  throw new OptionError(
    `${where}: its code is a plain generator (function*). A task that yields chunks is an async generator: async function*.`,
  );
}

/**
 * Refuses an async generator function as the code of a batch: chunks belong to one task.
 * @throws {OptionError}
 */
export function refuseGenerator(code: unknown, where: string): void {
  if (Object.prototype.toString.call(code) !== '[object AsyncGeneratorFunction]') return;
  throw new OptionError(
    `${where}: the code of a batch is an async generator (async function*), and chunks belong to one task. Let it return ` +
      'a list with one result for each call.',
  );
}

/** The same generator, whose body runs inside `within` whoever asks it for values. */
export function generatingWithin(
  generator: Generating,
  within: <R>(body: () => R) => R,
): Generating & AsyncDisposable {
  return {
    next: () => within(() => generator.next()),
    return: (value) => within(() => generator.return(value)),
    throw: (error) => within(() => generator.throw(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: async () => {
      await within(() => generator.return(undefined));
    },
  };
}
