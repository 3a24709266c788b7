/**
 * Errors of ioredis as they may be shown. It puts the refused command into them, arguments and all: the password that was
 * wrong, or a task's payload, which no log line and nobody's error report may hold.
 */

/** As deep as causes are followed; ioredis nests a few. */
const MOST_CAUSES = 8;

/** The error, with the command's name alone left of the command: in it, and in those behind it. */
export function withoutArguments<E>(error: E, depth = 0): E {
  if (!(error instanceof Error) || depth > MOST_CAUSES) return error;
  const { command, cause, lastNodeError } = error as Error & { command?: unknown; lastNodeError?: unknown };
  if (typeof command === 'object' && command !== null)
    Object.assign(error, { command: { name: (command as { readonly name?: unknown }).name } });
  withoutArguments(cause, depth + 1);
  withoutArguments(lastNodeError, depth + 1);
  return error;
}
