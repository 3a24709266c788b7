/** The texts of a failed attempt: one line, and a stack for people and dashboards that contains the encoded error. */

import type { TaskRevokedError } from '../errors.js';
import { packRevocation, packStack } from '../protocol/message.js';
import { encodeFailure } from '../protocol/wire-error.js';

/** What the broker keeps of an error. */
export interface FailureText {
  readonly message: string;
  readonly stack: string;
}

/**
 * The texts of a revoked task.
 * @param started true if the task had begun
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
