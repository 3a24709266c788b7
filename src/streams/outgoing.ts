/**
 * The chunks of a running task on their way out. The buffer leaves at most 20 ms after its first chunk, or when it is full,
 * in one write; while one write is under way a full buffer makes the task wait. So a task never has more than two buffers
 * of unwritten chunks. A write that the broker cannot make now is made again: it never becomes the task's error.
 */
import type { StoredChunk } from '../broker/streams.js';
import { writeAnswer } from '../queue/write-answers.js';
import { after, type Cancel, sleep } from '../timers.js';

/** Where chunks go. */
export interface ChunkSink {
  /**
   * Writes chunks; may be repeated.
   * @param first the index of the first of them
   * @returns `false` when the task is no longer ours: nothing more can be written
   */
  write(first: number, chunks: readonly StoredChunk[]): Promise<boolean>;
  /** True if the error says that the app is closed: there is nothing to write to any more. */
  isClosed(error: unknown): boolean;
  /** Reports a refused write, once. */
  onTrouble(error: unknown): void;
}

/** The longest a chunk stays in the buffer, ms. */
export const LEAVES_AFTER_MS = 20;
/** A buffer with so many chunks is full. */
export const MOST_CHUNKS = 100;
/** A buffer with so many bytes is full. */
export const MOST_BYTES = 64 * 1024;

/** Between two tries of a write: from this on, twice as long each time, up to a bound. */
const AGAIN_MS = 50;
const LONGEST_AGAIN_MS = 1000;

export class Outgoing {
  #buffer: StoredChunk[] = [];
  #bytes = 0;
  /** The index of the first chunk in the buffer. */
  #first = 0;
  #timer: Cancel | undefined;
  /** The write under way. */
  #writing: Promise<void> | undefined;
  /** When the last write began, on this process's steady clock. */
  #wroteAt = Number.NEGATIVE_INFINITY;
  /** Nothing more is written: the task is not ours any more, or nobody wants its chunks. */
  #over = false;
  /** Why a chunk can never be stored. */
  #refused: { readonly error: unknown } | undefined;
  readonly #onTimer = () => {
    this.#timer = undefined;
    this.#leave();
  };

  constructor(private readonly sink: ChunkSink) {}

  /** How many chunks it was given. */
  get count(): number {
    return this.#first + this.#buffer.length;
  }

  /**
   * Puts a chunk into the buffer.
   * @param bytes of its text, in UTF-8
   * @returns a promise while the buffer is full; resolves when it takes the next chunk
   * @throws what the broker refused an earlier chunk with, for good
   */
  push(chunk: StoredChunk, bytes: number): Promise<void> | undefined {
    if (this.#refused !== undefined) throw this.#refused.error;
    if (this.#over) return undefined;
    this.#buffer.push(chunk);
    this.#bytes += bytes;
    if (this.#isFull) {
      if (this.#writing !== undefined) return this.#writing;
      this.#leave();
      return undefined;
    }
    if (this.#timer === undefined && this.#writing === undefined) this.#schedule();
    return undefined;
  }

  /**
   * Resolves when everything is written, or never can be.
   * @returns what the broker refused a chunk with, for good
   */
  async finish(): Promise<{ readonly error: unknown } | undefined> {
    while (!this.#over && (this.#writing !== undefined || this.#buffer.length > 0)) {
      this.#leave();
      await this.#writing;
    }
    return this.#refused;
  }

  /** Drops what is not written yet. */
  drop(): void {
    this.#over = true;
    this.#buffer = [];
    this.#timer?.();
  }

  get #isFull(): boolean {
    return this.#buffer.length >= MOST_CHUNKS || this.#bytes >= MOST_BYTES;
  }

  /** The first chunk after a pause leaves as soon as the task lets go of the event loop. */
  #schedule(): void {
    const restMs = this.#wroteAt + LEAVES_AFTER_MS - performance.now();
    this.#timer = after(Math.max(0, restMs), this.#onTimer);
  }

  #leave(): void {
    if (this.#writing !== undefined || this.#buffer.length === 0) return;
    this.#timer?.();
    this.#timer = undefined;
    const chunks = this.#buffer;
    const first = this.#first;
    this.#buffer = [];
    this.#bytes = 0;
    this.#first = first + chunks.length;
    this.#wroteAt = performance.now();
    this.#writing = this.#write(first, chunks).then(() => {
      this.#writing = undefined;
      if (this.#buffer.length === 0 || this.#over) return;
      if (this.#isFull) this.#leave();
      else if (this.#timer === undefined) this.#schedule();
    });
  }

  /** Never rejects. */
  async #write(first: number, chunks: readonly StoredChunk[]): Promise<void> {
    let pauseMs = AGAIN_MS;
    for (let tries = 1; !this.#over; tries++) {
      try {
        if (!(await this.sink.write(first, chunks))) this.drop();
        return;
      } catch (error) {
        const answer = writeAnswer(error);
        if (this.sink.isClosed(error) || answer === 'gone') return this.drop();
        if (tries === 1) this.sink.onTrouble(error);
        if (answer === 'refused') {
          this.#refused = { error };
          return this.drop();
        }
      }
      await sleep(pauseMs, { ref: false });
      pauseMs = Math.min(pauseMs * 2, LONGEST_AGAIN_MS);
    }
  }
}
