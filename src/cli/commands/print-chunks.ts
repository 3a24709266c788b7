/** `--follow`: the chunks of a task on stdout as they come, text as it is, every other value as a line of JSON. */
import type { Celeriac } from '../../app.js';
import type { Output } from '../output.js';

/** How chunks are printed. */
export interface PrintedAs {
  /** Texts too are lines of JSON. */
  readonly json: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Prints the chunks of a task until it ends, those of a new attempt after those of the old one. What the task ended with is
 * for the caller to report: an error of the stream ends the printing without a word.
 * @returns the number of printed chunks
 */
export async function printChunks(
  task: ReturnType<Celeriac['result']>,
  out: Output,
  { json, signal }: PrintedAs,
): Promise<number> {
  let count = 0;
  let attempt: number | undefined;
  /** The last text has not ended its line. */
  let open = false;
  const endLine = () => {
    if (open) out.chunk('\n');
    open = false;
  };
  try {
    const chunks = task.stream({ from: 'oldest', restarts: 'follow', ...(signal && { signal }) });
    for await (const entry of chunks.entries()) {
      if (attempt !== undefined && entry.attempt !== attempt) {
        endLine();
        out.note(`celeriac: the task began again (attempt ${entry.attempt})`);
      } else if (attempt === undefined && entry.index > 0)
        out.note(`celeriac: the first ${entry.index} chunks are no longer kept`);
      attempt = entry.attempt;
      count++;
      if (typeof entry.chunk === 'string' && !json) {
        out.chunk(entry.chunk);
        open = entry.chunk === '' ? open : !entry.chunk.endsWith('\n');
      } else {
        endLine();
        out.jsonLine(entry.chunk);
      }
      await out.drained();
    }
  } catch {
    // The snapshot, or get(), says the same.
  }
  if (out.terminal) endLine();
  return count;
}
