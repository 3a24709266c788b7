/**
 * `--logfile`: appends the lines of the log to a file, and follows log rotation as Python's WatchedFileHandler does: a
 * file that was renamed or removed is opened anew. A full disk loses lines, never the worker.
 */
import { closeSync, fstatSync, openSync, type Stats, statSync, writeSync } from 'node:fs';
import { OptionError } from '../../errors.js';

/** How often to look for another file at the path, ms. */
const LOOK_MS = 1000;

/** Settings of {@link openLogFile}. */
export interface LogFileOptions {
  /** Receives lines that could not be written. */
  readonly otherwise: (line: string) => void;
  /** A monotonic clock, ms. */
  readonly now?: () => number;
}

/**
 * Opens the file; gives the function that writes a whole line.
 * @param path absolute
 * @throws {OptionError} if it cannot be opened
 */
export function openLogFile(
  path: string,
  { otherwise, now = () => performance.now() }: LogFileOptions,
): (line: string) => void {
  let file = opened(path);
  let lookedAt = now();
  const follow = () => {
    if (now() - lookedAt < LOOK_MS) return;
    lookedAt = now();
    if (isSame(statSync(path, { throwIfNoEntry: false }), fstatSync(file))) return;
    const next = openSync(path, 'a');
    closeSync(file);
    file = next;
  };
  return (line) => {
    try {
      follow();
      // One write per line: the processes of one worker share the file.
      writeSync(file, line);
    } catch {
      // A full disk, a folder that is gone: the line must not be lost without a word.
      otherwise(line);
    }
  };
}

function opened(path: string): number {
  try {
    return openSync(path, 'a');
  } catch (error) {
    throw new OptionError(`--logfile: ${path} cannot be opened: ${(error as Error).message}`);
  }
}

function isSame(there: Stats | undefined, open: Stats): boolean {
  return there !== undefined && there.ino === open.ino && there.dev === open.dev;
}
