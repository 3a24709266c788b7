/**
 * The texts a failed attempt leaves: one line, and a stack for people and dashboards with the encoded error in it.
 */
import { packStack } from '../broker/message.js';
import { encodeFailure } from '../tasks/failure.js';

/** What the broker keeps of an error. */
export interface FailureText {
  readonly message: string;
  readonly stack: string;
}

export function failureText(error: unknown, wire = encodeFailure(error)): FailureText {
  return {
    message: `${wire.name}: ${wire.message}`,
    stack: packStack(wire.stack ?? '', { ...wire, stack: undefined }),
  };
}
