/**
 * Stdout and stderr of a command, and how it ends without losing output: a pipe takes 64 kB at once, and the rest waits
 * in this process until the reader has taken it.
 */
import { sleep } from '../timers.js';

/** Ends the process when the reader closes the pipe early, as `| head` does; that is no failure. */
export function endWithReader(): void {
  process.stdout.on('error', onStdoutError);
  // Warnings without a reader are not worth an exception.
  process.stderr.on('error', ignore);
}

/** Keeps the process running without a reader: a worker whose log collector died. */
export function workUnread(): void {
  process.stdout.off('error', onStdoutError);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignore);
}

/**
 * Resolves when the reader has taken all output, or has gone.
 * @param limitMs resolve after this long even if the reader is stuck. Default: no limit
 */
export async function flushed(limitMs?: number): Promise<void> {
  const all = Promise.all([taken(process.stderr), taken(process.stdout)]);
  if (limitMs === undefined) {
    await all;
    return;
  }
  const late = new AbortController();
  await Promise.race([all, sleep(limitMs, { signal: late.signal })]);
  late.abort();
}

/**
 * Uses the stream's own `write`, not a replacement: `takeStdout` replaces it, and an empty write to stderr would prove
 * nothing about stdout.
 */
function taken(stream: NodeJS.WriteStream): Promise<void> {
  const { write } = Object.getPrototypeOf(stream) as NodeJS.WriteStream;
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) return resolve();
    write.call(stream, '', 'utf8', () => resolve());
  });
}

function onStdoutError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') process.exit(1);
  process.exit(Number(process.exitCode ?? 0));
}

function ignore(): void {}
