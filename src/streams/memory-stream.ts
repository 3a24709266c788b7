/** The stream of a task that runs in its caller's process: its chunks stay in memory, within the same bounds. */
import type { StoredChunk, StreamPage, Streams } from '../broker/streams.js';
import type { ChunkSink } from './outgoing.js';
import type { StreamPolicy } from './stream-writers.js';

export class MemoryStream implements ChunkSink, Pick<Streams, 'read'> {
  #chunks: StoredChunk[] = [];
  #first = 0;
  #bytes = 0;

  constructor(
    private readonly attempt: number,
    private readonly policy: StreamPolicy,
  ) {}

  async write(_first: number, chunks: readonly StoredChunk[]): Promise<boolean> {
    const { streamMaxChunks, streamMaxBytes } = this.policy;
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#bytes += Buffer.byteLength(chunk.text);
    }
    let dropped = 0;
    while (
      this.#chunks.length - dropped > streamMaxChunks ||
      (this.#bytes > streamMaxBytes && this.#chunks.length - dropped > 1)
    )
      this.#bytes -= Buffer.byteLength(this.#chunks[dropped++]?.text ?? '');
    if (dropped > 0) this.#chunks = this.#chunks.slice(dropped);
    this.#first += dropped;
    return true;
  }

  async read(_id: string, from: number, most: number): Promise<StreamPage> {
    const begin = Math.max(from, this.#first);
    const some = this.#chunks.slice(begin - this.#first, begin - this.#first + most);
    return {
      origin: '',
      attempt: this.attempt,
      first: this.#first,
      next: this.#first + this.#chunks.length,
      chunks: some.map((chunk, i) => ({ ...chunk, index: begin + i })),
    };
  }

  isClosed(): boolean {
    return false;
  }

  onTrouble(): void {}
}
