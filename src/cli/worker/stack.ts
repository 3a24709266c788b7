/**
 * An error's stack for the text log: the frames of the task and the code it called, and its causes. It omits the frames
 * that lead from this package to the task, which are always the same.
 */
import { fileURLToPath } from 'node:url';
import { escaped } from '../text/printable.js';

const CAUSES_SHOWN = 5;

/** Lines for below the error's own line. @param whole with this package's frames */
export function stackText(error: Error, whole: boolean, depth = 0): string {
  const frames = (error.stack ?? '').split('\n').slice(String(error).split('\n').length);
  const own = (whole ? frames : withoutOurs(frames)).map((line) => `    ${escaped(line.trim())}\n`).join('');
  const { cause } = error;
  if (!(cause instanceof Error) || depth >= CAUSES_SHOWN) return own;
  const head = escaped(`${cause.name}: ${cause.message}`);
  return `${own}  caused by ${head}\n${stackText(cause, whole, depth + 1)}`;
}

/** An error with only our frames keeps them. */
function withoutOurs(frames: readonly string[]): readonly string[] {
  const last = frames.findLastIndex((line) => !OURS.some((place) => line.includes(place)));
  return last === -1 ? frames : frames.slice(0, last + 1);
}

/** Frames of this package, built and as source maps name it, and Node's frames between them. */
const OURS = [
  fileURLToPath(new URL('../../../dist/', import.meta.url)),
  fileURLToPath(new URL('../../../src/', import.meta.url)),
  '(node:async_hooks:',
];
