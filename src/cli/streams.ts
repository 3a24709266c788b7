/**
 * The two streams of a command, and how it ends without losing a word of either: a pipe takes 64 kB at once, and what
 * is beyond that waits in this process until the reader has taken it.
 */
import { sleep } from '../timers.js';

/** Somebody closed the pipe early, as `| head` does: what is still to be said has no reader, and that is no failure. */
export function endWithReader(): void {
  process.stdout.on('error', onStdoutError);
  // Remarks that nobody reads are not worth an exception.
  process.stderr.on('error', ignore);
}

/** For work that goes on whoever reads its words: a worker whose log collector died. */
export function workUnread(): void {
  process.stdout.off('error', onStdoutError);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignore);
}

/**
 * Resolves when all that was printed has been taken, or nobody reads any more.
 * @param limitMs for those who must end although a reader stands still
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
 * By the stream's own `write`, not by the one that others may have put in its place: `takeStdout` does so, and an empty
 * write to stderr says nothing of stdout.
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
