/**
 * `--pidfile`: a file with the worker's process id, for service managers. It is refused while another living process
 * holds it, replaced if that process is gone, and removed at the end.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CeleriacError, OptionError } from '../../errors.js';

/** How the file is replaced if another process does the same at the same time. */
const TRIES = 3;

/**
 * Takes the file for this process, until it exits.
 * @param path absolute
 * @throws {CeleriacError} while a living process holds it
 * @throws {OptionError} if it cannot be written, or holds something else than a process id
 */
export function takePidFile(path: string): void {
  for (let left = TRIES; !created(path); left--) {
    const pid = pidIn(path);
    const holder = pid !== undefined && pid !== process.pid && isAlive(pid);
    if (left === 0 || holder)
      throw new CeleriacError(
        `--pidfile: ${path} belongs to process ${pid}${holder ? ', which is alive' : ''}. Is this worker running already?`,
      );
    // A process of before: it was killed, or the machine was.
    rmSync(path, { force: true });
  }
  process.once('exit', () => {
    try {
      if (pidIn(path) === process.pid) rmSync(path, { force: true });
    } catch {
      // Not ours any more, or in a folder that is gone.
    }
  });
}

/** @returns false if the file exists */
function created(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new OptionError(`--pidfile: ${path} cannot be written: ${message}`);
  }
}

/** @returns undefined if the file has gone meanwhile */
function pidIn(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new OptionError(`--pidfile: ${path} cannot be read: ${message}`);
  }
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  // Whoever gave another file by mistake must not lose it.
  throw new OptionError(`--pidfile: ${path} holds no process id. Remove it, or give another path.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It exists, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
