/** `--follow`: the chunks of a task on stdout as they come, text as it is, every other value as a line of JSON. */
import type { Celeriac } from '../../app.js';
import type { Output } from '../output.js';

export class ChunkPrinter {
  /** The number of printed chunks. */
  count = 0;
  /** The last text has not ended its line. */
  #open = false;

  constructor(
    private readonly out: Output,
    /** Texts too are lines of JSON. */
    private readonly json: boolean,
  ) {}

  /** A line on stderr. In a terminal it begins on a line of its own. */
  note(text: string): void {
    if (this.out.terminal) this.#endLine();
    this.out.note(text);
  }

  /**
   * Prints the chunks of a task until it ends, those of a new attempt after those of the old one. What the task ended with is
   * for the caller to report: an error of the stream ends the printing without a word.
   */
  async print(task: ReturnType<Celeriac['result']>, signal?: AbortSignal): Promise<void> {
    let attempt: number | undefined;
    try {
      const chunks = task.stream({ from: 'oldest', restarts: 'follow', ...(signal && { signal }) });
      for await (const entry of chunks.entries()) {
        if (attempt !== undefined && entry.attempt !== attempt) {
          this.#endLine();
          this.note(`celeriac: the task began again (attempt ${entry.attempt})`);
        } else if (attempt === undefined && entry.index > 0)
          this.note(`celeriac: the first ${entry.index} chunks are no longer kept`);
        attempt = entry.attempt;
        this.#chunk(entry.chunk);
        await this.out.drained();
      }
    } catch {
      // The snapshot, or get(), says the same.
    }
    if (this.out.terminal) this.#endLine();
  }

  #chunk(chunk: unknown): void {
    this.count++;
    if (typeof chunk === 'string' && !this.json) {
      this.out.chunk(chunk);
      if (chunk !== '') this.#open = !chunk.endsWith('\n');
      return;
    }
    this.#endLine();
    this.out.jsonLine(chunk);
  }

  #endLine(): void {
    if (this.#open) this.out.chunk('\n');
    this.#open = false;
  }
}
