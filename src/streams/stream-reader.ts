/**
 * Reads the stream of a task: every chunk once, in order, until the task has ended. It reads at each notice, in pages, and
 * now and then in case a notice was lost. It holds one page at most, and asks for nothing while nobody asks it.
 *
 *   it sees                            it does
 *   chunks                             gives them, page by page
 *   the end, with nothing left         ends, or throws what `get()` throws
 *   another attempt, nothing given     gives that one's chunks instead
 *   another attempt, in the middle     StreamRestartedError; with `follows` that one's chunks from their start
 *   the next chunk is dropped          StreamTruncatedError; from `'oldest'` it begins with the oldest there is
 *
 * The record of the task is read before the page: the last chunk is written before the end, so a page read after the end
 * was seen has all there are.
 */
import type { StreamPage, Streams } from '../broker/streams.js';
import { StreamRestartedError, StreamTruncatedError } from '../errors.js';
import type { StreamEntry } from './result-stream.js';
import type { StreamSettings } from './stream-options.js';

/** A task as its reader sees it. */
export interface StreamingTask {
  /** `false` for a task that stores no result and has ended: who comes then gets nothing. */
  readonly known: boolean;
  /** Which attempt runs, or ran last; undefined where the record does not say. */
  readonly attempt: number | undefined;
  readonly origin: string | undefined;
  readonly running: boolean;
  readonly ended: boolean;
  /** What `get()` throws. */
  readonly error: Error | undefined;
}

/** What a reader needs of its result. */
export interface StreamReaderParams<C> {
  readonly taskId: string;
  /** The id of the task's job; reads it from the broker if necessary. @throws {UnknownTaskError} */
  locate(): Promise<string>;
  readonly streams: Pick<Streams, 'read'>;
  readonly settings: StreamSettings;
  decode(text: string): C;
  /** Reads the task. @throws {UnknownTaskError} */
  look(): Promise<StreamingTask>;
  /** Runs a request, again while the broker is away; rejects with the signal's reason as soon as it aborts. */
  patiently<R>(work: () => Promise<R>): Promise<R>;
  /** Calls back at notices of the task and of its chunks. */
  watch(jobId: string, onNotice: (of: 'task' | 'chunks') => void): Watched;
  /** Keeps the process alive until the returned function is called; it may be called twice. */
  hold(): () => void;
  /** Sleeps until it is woken up, or for so long. */
  readonly bell: { wake(): void; wait(ms: number, signal?: AbortSignal): Promise<void> };
}

/** Notices that are listened to. */
export interface Watched {
  /** Resolves once they are. */
  readonly listening: Promise<void>;
  close(): void;
}

/** Chunks a page, at most. */
const PAGE = 100;
/** How often the stream and its task are looked at without a notice, ms. */
const POLL_MS = 2000;

export async function* readStream<C>(
  params: StreamReaderParams<C>,
): AsyncGenerator<StreamEntry<C>, void, undefined> {
  const { streams, settings, bell } = params;
  const { signal } = settings;
  const place = new Place(params.taskId, settings);
  let release = params.hold();
  let watched: Watched | undefined;
  /** A notice of the task came since it was looked at. */
  let stale = false;
  try {
    signal?.throwIfAborted();
    const jobId = await params.patiently(() => params.locate());
    const { listening, close } = params.watch(jobId, (of) => {
      if (of === 'task') stale = true;
      bell.wake();
    });
    watched = { listening, close };
    await params.patiently(() => listening);
    let task = await params.patiently(() => params.look());
    if (!task.known) return;
    // The task was looked at since the last page.
    let looked = true;
    for (;;) {
      const page = await params.patiently(() => streams.read(jobId, place.index, PAGE));
      const found = place.chunksIn(page, task);
      if (found === undefined) continue;
      release();
      for (const { index, at, text } of found) {
        place.give(index);
        yield { index, attempt: place.attempt, at: new Date(at), chunk: params.decode(text) };
        signal?.throwIfAborted();
      }
      release = params.hold();
      // It was a full page, or the stream has grown while its chunks were given.
      if (found.length > 0 && page !== undefined && place.index < page.next) continue;
      if (task.ended) return place.end(task);
      place.check(task);
      if (found.length > 0 || looked) {
        looked = false;
        await bell.wait(POLL_MS, signal);
        if (!stale) continue;
      }
      stale = false;
      task = await params.patiently(() => params.look());
      looked = true;
    }
  } finally {
    watched?.close();
    release();
  }
}

/** Where a reader is: which attempt it reads, and which chunk comes next. */
class Place {
  index: number;
  attempt: number;
  #origin: string | undefined;
  /** It has given chunks of this attempt, or goes on after some that were given earlier. */
  #given: boolean;

  constructor(
    private readonly taskId: string,
    private readonly settings: StreamSettings,
  ) {
    this.index = settings.from === 'oldest' ? 0 : settings.from;
    this.attempt = settings.attempt ?? 0;
    this.#given = settings.attempt !== undefined;
  }

  /**
   * The chunks of a page that come next; undefined if the page must be read again, from another place.
   * @throws {StreamRestartedError}
   * @throws {StreamTruncatedError}
   */
  chunksIn(page: StreamPage | undefined, task: StreamingTask): StreamPage['chunks'] | undefined {
    if (page === undefined || !isOf(page, task)) return [];
    // Which task used the id when an earlier reader left is not known any more.
    const other = page.origin !== (this.#origin ?? page.origin);
    const again = this.#given && (other || page.attempt !== this.attempt) && this.#begin(page.attempt);
    this.attempt = page.attempt;
    this.#origin = page.origin;
    if (again) return undefined;
    if (page.first > this.index) {
      if (this.settings.from !== 'oldest' || this.#given)
        throw new StreamTruncatedError(this.taskId, this.index, page.first);
      this.index = page.first;
    }
    return page.chunks;
  }

  give(index: number): void {
    this.index = index + 1;
    this.#given = true;
  }

  /** @throws {StreamRestartedError} if another attempt runs, which has no chunks yet */
  check(task: StreamingTask): void {
    if (task.running) this.#refuseLater(task);
  }

  /** The task has ended, and there are no more chunks. @throws what `get()` throws */
  end(task: StreamingTask): void {
    if (task.error !== undefined) throw task.error;
    this.#refuseLater(task);
  }

  #refuseLater({ attempt, origin }: StreamingTask): void {
    if (attempt === undefined || !this.#given || this.settings.follows) return;
    // A failed task that was retried as new has another origin, and counts its attempts anew.
    const other = origin !== undefined && this.#origin !== undefined && origin !== this.#origin;
    if (attempt > this.attempt || other) throw new StreamRestartedError(this.taskId, attempt);
  }

  /** Begins with another attempt. */
  #begin(attempt: number): true {
    if (!this.settings.follows) throw new StreamRestartedError(this.taskId, attempt);
    this.index = 0;
    this.#given = false;
    return true;
  }
}

/**
 * Whether a page is of the attempt that counts. Chunks of an attempt that another one has followed do not, unless the task
 * has failed since: its last words are all there is.
 */
function isOf({ origin, attempt }: StreamPage, task: StreamingTask): boolean {
  if (task.origin !== undefined && origin !== task.origin) return false;
  return task.attempt === undefined || attempt >= task.attempt || (task.ended && task.error !== undefined);
}
