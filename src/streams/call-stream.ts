/**
 * The stream of one running call: encodes what the task yields and puts it into the outgoing buffer. Made by the first
 * chunk; a task without chunks has none.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { PayloadTooLargeError } from '../errors.js';
import type { Generating } from '../tasks/generating.js';
import { driveGenerator, type GeneratorHost } from './generator.js';
import { type ChunkSink, Outgoing } from './outgoing.js';

export interface CallStreamParams {
  readonly taskName: string;
  readonly sink: ChunkSink;
  /** `streamMaxBytes`. */
  readonly mostBytes: number;
  /** Epoch ms. */
  now(): number;
  /** @throws {NotSerializableError} */
  encode(chunk: unknown): string;
  /** Called at each chunk, and once at the end. */
  onChunk(): void;
  onEnd(): void;
}

export class CallStream {
  readonly #out: Outgoing;
  #generator: Generating | undefined;
  #state: GeneratorHost['state'] = 'runs';
  /** Restores the async context of the task. */
  #within: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined;

  constructor(private readonly params: CallStreamParams) {
    this.#out = new Outgoing(params.sink);
  }

  /** How many chunks were sent. */
  get count(): number {
    return this.#out.count;
  }

  /**
   * Sends a chunk; gives a promise while there is no room for the next.
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  send(chunk: unknown): Promise<void> | undefined {
    const { params } = this;
    const text = params.encode(chunk);
    const bytes = Buffer.byteLength(text);
    if (bytes > params.mostBytes)
      throw new PayloadTooLargeError(
        `A chunk of task "${params.taskName}" takes ${bytes} bytes, more than streamMaxBytes (${params.mostBytes}). ` +
          'Yield smaller chunks, or raise streamMaxBytes.',
      );
    const room = this.#out.push({ at: params.now(), text }, bytes);
    params.onChunk();
    return room;
  }

  /**
   * Passes by the places of chunks that an earlier stretch of this attempt has sent. What stands for them is taken for a
   * repeat where it is written, so nothing is sent twice.
   */
  async pass(count: number): Promise<void> {
    const at = this.params.now();
    for (let passed = 0; passed < count; passed++) {
      const room = this.#out.push({ at, text: 'null' }, 4);
      if (room !== undefined) await room;
    }
  }

  /** Runs a generator to its end: see {@link driveGenerator}. */
  async generate(generator: Generating, softLimit: () => Error | undefined): Promise<unknown> {
    this.#generator = generator;
    this.#within = AsyncLocalStorage.snapshot();
    try {
      return await driveGenerator(generator, this.#host(softLimit));
    } finally {
      this.#generator = undefined;
    }
  }

  #host(softLimit: () => Error | undefined): GeneratorHost {
    const state = () => this.#state;
    return {
      send: (chunk) => this.send(chunk),
      softLimit,
      get state() {
        return state();
      },
    };
  }

  /**
   * The task is over: a generator that still runs gets `return()`, whose end nobody waits for.
   * @param parked the task waits: its body never comes back, not even to its `finally`
   */
  leave(parked: boolean): void {
    const generator = this.#generator;
    this.#state = parked ? 'parked' : 'ended';
    this.#generator = undefined;
    if (generator === undefined || parked) return;
    const returned = this.#within?.(() => generator.return(undefined));
    // Its `finally` may throw or hang; the task has its outcome.
    returned?.catch(() => undefined);
  }

  /**
   * Resolves when all chunks are written, or dropped.
   * @returns what the broker refused a chunk with, for good
   */
  async end(how: 'written' | 'dropped'): Promise<{ readonly error: unknown } | undefined> {
    if (how === 'dropped') this.#out.drop();
    try {
      return await this.#out.finish();
    } finally {
      this.params.onEnd();
    }
  }
}
