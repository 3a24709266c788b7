/**
 * The texts a failed attempt leaves: one line, and a stack for people and dashboards with the encoded error in it.
 */

import type { TaskRevokedError } from '../errors.js';
import { packRevocation, packStack } from '../protocol/message.js';
import { encodeFailure } from '../protocol/wire-error.js';

/** What the broker keeps of an error. */
export interface FailureText {
  readonly message: string;
  readonly stack: string;
}

/**
 * What the broker keeps of a task that was revoked.
 * @param started it had begun
 */
export function revocationText(error: TaskRevokedError, started = false): FailureText {
  const wire = encodeFailure(error);
  return {
    message: `${wire.name}: ${wire.message}`,
    stack: packRevocation(wire.stack ?? '', {
      ...wire,
      stack: undefined,
      ...(!started && { unstarted: true }),
    }),
  };
}

export function failureText(error: unknown, wire = encodeFailure(error)): FailureText {
  return {
    message: `${wire.name}: ${wire.message}`,
    stack: packStack(wire.stack ?? '', { ...wire, stack: undefined }),
  };
}
