/**
 * How a command ends: its exit code, and the one line that says why it failed.
 */
import { isCeleriacError } from '../errors.js';
import { printable, printableText } from './text/printable.js';

/** Exit codes of every command (69 is sysexits' EX_UNAVAILABLE; Celery: `inspect`, `status`). */
export const EXIT = { ok: 0, failed: 1, usage: 2, unavailable: 69 } as const;

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (isCeleriacError(error, 'OPTION')) return EXIT.usage;
  if (isCeleriacError(error, 'BROKER_UNAVAILABLE')) return EXIT.unavailable;
  return EXIT.failed;
}

/** The line for people; with `debug`, the stack and the causes as well. */
export function describeError(error: unknown, debug: boolean): string {
  if (!(error instanceof Error)) return printable(String(error));
  const own = isCeleriacError(error) || error.name === 'Error';
  // Our own messages may include lines of code; those of tasks and drivers are cut to one line.
  const message = isCeleriacError(error, 'OPTION')
    ? printableText(error.message)
    : printable(error.message.replace(/\s*\n\s*/g, ' ').trim());
  const line = own ? message : `${printable(error.name)}: ${message}`;
  return debug ? `${line}\n${printableText(stackWithCauses(error))}` : line;
}

function stackWithCauses(error: Error): string {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? `${own}\ncaused by: ${stackWithCauses(error.cause)}` : own;
}
