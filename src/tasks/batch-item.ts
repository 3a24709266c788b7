/** What a call of a batch task brings. */
import { InvalidArgumentsError } from '../errors.js';

/**
 * The entry that a call adds to the list: its only argument.
 * @throws {InvalidArgumentsError} for more than one
 */
export function itemOf(taskName: string, args: readonly unknown[]): unknown {
  if (args.length <= 1) return args[0];
  throw new InvalidArgumentsError(
    `The arguments of task "${taskName}" do not fit: a call of a batch brings one, which is its entry of the list; this ` +
      `one brings ${args.length}.`,
    [{ path: '1', message: 'is one too many: each call of a batch brings one argument' }],
  );
}
