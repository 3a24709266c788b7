/**
 * The port that every engine implements for streams: the chunks that a task has yielded, by the id of its job. A stream
 * has the chunks of one attempt. Each call is one atomic step in the broker. A task that yields nothing leaves nothing.
 */
import type { JobRef } from './job-ref.js';

/** A chunk as stored. */
export interface StoredChunk {
  /** When the task yielded it: epoch ms by the worker's clock. */
  readonly at: number;
  /** The encoded chunk as JSON text. */
  readonly text: string;
}

/** Chunks of one attempt, to be appended in order. */
export interface ChunkWrite {
  /** The task's job. */
  readonly ref: JobRef;
  /** The token of the job's lock. Without the lock nothing is written. */
  readonly token: string;
  /** Distinguishes tasks that use one id after each other. */
  readonly origin: string;
  /** The attempt: 0 is the first. Chunks of another attempt, or of another origin, are dropped. */
  readonly attempt: number;
  /** The index of the first of these chunks in its attempt. Chunks that the stream has already are not written again. */
  readonly first: number;
  readonly chunks: readonly StoredChunk[];
  /** The stream keeps this many of the last chunks. */
  readonly mostChunks: number;
  /** The chunks of the stream have this many bytes together. */
  readonly mostBytes: number;
  /** The stream expires this long after its last write. */
  readonly ttlMs: number;
}

/** A chunk, and where it stands in its attempt. */
export interface IndexedChunk extends StoredChunk {
  readonly index: number;
}

/** What a read found. */
export interface StreamPage {
  readonly origin: string;
  readonly attempt: number;
  /** The index of the oldest chunk that is kept; `next` when there is none. */
  readonly first: number;
  /** The index that the next chunk will have. */
  readonly next: number;
  /** In order, without gaps, from the index asked for or from `first`. Fewer than asked for where they are large. */
  readonly chunks: readonly IndexedChunk[];
}

/** A read returns no more than this, bytes, but always one chunk. */
export const PAGE_BYTES = 1_000_000;

/** The streams of tasks, by the id of their job. */
export interface Streams {
  /**
   * Appends chunks and notifies the listeners of the stream's topic: see `chunkTopic`. May be repeated.
   * @returns `false` when the job's lock is no longer ours; nothing was written then
   */
  append(write: ChunkWrite): Promise<boolean>;
  /** Reads up to `most` chunks from index `from`; `undefined` when there is no stream. */
  read(id: string, from: number, most: number): Promise<StreamPage | undefined>;
  /** Lets a stream expire after this long. */
  expire(id: string, ttlMs: number): Promise<void>;
  /** Removes streams; missing ones are fine. */
  remove(ids: readonly string[]): Promise<void>;
}
