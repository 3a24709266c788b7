/** `follow()` of the browser: one task as loops over its chunks and states, and a promise of its value. */
import { connect, failure, type Update } from './connection.js';
import { Log } from './log.js';

/** Options of `follow()`. */
export interface FollowOptions {
  /** Leaves the task; loops and `done` reject with the signal's reason. */
  signal?: AbortSignal;
  /** What to connect with, instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** A chunk of a task, and where it stands. */
export interface ChunkEntry<C = unknown> {
  /** Its place in its attempt: 0 is the first. */
  readonly index: number;
  /** The attempt that yielded it: 0 is the first. */
  readonly attempt: number;
  readonly chunk: C;
}

/**
 * A task that is followed. A loop over it gets its chunks; after a restart of the task, those of the new attempt. Every
 * loop begins with the first chunk that came, and ends with the task: with its error if it failed.
 */
export interface Followed<R = unknown, C = unknown> extends AsyncIterable<C> {
  /** The chunks with their indexes and attempts. */
  entries(): AsyncGenerator<ChunkEntry<C>, void, undefined>;
  /** The states of the task, the last one included. */
  updates(): AsyncGenerator<Update, void, undefined>;
  /** The value of the task. Rejects with its error: an Error with its name and message. */
  readonly done: Promise<R>;
  /** Leaves the task, which goes on: loops end, and `done` rejects with an `AbortError`. May be called twice. */
  close(): void;
}

/** So many states are kept for loops that are late. */
const MOST_STATES = 1000;

/**
 * Follows a task to its end, over reconnects, from the address that `follow()` of `celeriac/web` answers at.
 * @example
 * const task = follow<string, string>(`/follow/${token}`);
 * for await (const word of task) show(word);
 * console.log(await task.done);
 */
export function follow<R = unknown, C = unknown>(
  url: string | URL,
  { signal, fetch }: FollowOptions = {},
): Followed<R, C> {
  const chunks = new Log<ChunkEntry<C>>();
  const states = new Log<Update>(MOST_STATES);
  let resolve: (value: R) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<R>((...settle) => {
    [resolve, reject] = settle;
  });
  done.catch(() => {}); // who awaits it hears of it
  const leave = connect(
    url,
    {
      onState: (update) => states.push(update),
      onChunk: (chunk, index, attempt) => chunks.push({ index, attempt, chunk: chunk as C }),
      onRestart: () => chunks.clear(),
      onEnd(value, error) {
        chunks.end(error);
        states.end();
        if (error) reject(error);
        else resolve(value as R);
        signal?.removeEventListener('abort', abort);
      },
      onError: (error) => stop(error, error),
    },
    fetch,
  );
  const stop = (reason: unknown, error?: Error) => {
    leave();
    chunks.end(error);
    states.end(error);
    reject(reason);
    signal?.removeEventListener('abort', abort);
  };
  const abort = () => stop(signal?.reason, signal?.reason);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return {
    entries: () => chunks.read(),
    updates: () => states.read(),
    async *[Symbol.asyncIterator]() {
      for await (const { chunk } of chunks.read()) yield chunk;
    },
    done,
    close: () => stop(failure('AbortError', 'The task is not followed any more.')),
  };
}
