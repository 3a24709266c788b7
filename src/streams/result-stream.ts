/**
 * `result.stream()`: the chunks of a task as an async iterable. It is made without I/O; the first read connects.
 */

/** A chunk of a task, and where it stands. */
export interface StreamEntry<C = unknown> {
  /** Its place in its attempt: 0 is the first. */
  readonly index: number;
  /** The attempt that yielded it: 0 is the first. */
  readonly attempt: number;
  /** When the task yielded it. */
  readonly at: Date;
  readonly chunk: C;
}

/** The chunks of a task, in order. */
export class ResultStream<C = unknown> implements AsyncIterableIterator<C, void, undefined> {
  readonly #read: () => AsyncGenerator<StreamEntry<C>, void, undefined>;
  #own: AsyncGenerator<C, void, undefined> | undefined;

  constructor(read: () => AsyncGenerator<StreamEntry<C>, void, undefined>) {
    this.#read = read;
  }

  /** The chunks with their indexes: what a reader needs to go on later, with `from`. */
  entries(): AsyncGenerator<StreamEntry<C>, void, undefined> {
    return this.#read();
  }

  next(): Promise<IteratorResult<C, void>> {
    return this.#chunks().next();
  }

  return(): Promise<IteratorResult<C, void>> {
    return this.#chunks().return();
  }

  throw(error: unknown): Promise<IteratorResult<C, void>> {
    return this.#chunks().throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #chunks(): AsyncGenerator<C, void, undefined> {
    this.#own ??= chunksOf(this.#read());
    return this.#own;
  }
}

async function* chunksOf<C>(entries: AsyncGenerator<StreamEntry<C>, void, undefined>) {
  for await (const { chunk } of entries) yield chunk;
}
