/**
 * One answer of the API on the screen: read at first, again when something of it has changed, and when a lost connection
 * is back. What was read stays on the screen while more is on its way, so nothing jumps.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, get } from './api.js';
import { generation, type LiveEvent, onLive } from './connection.js';

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  /** What is shown belongs to an earlier question. */
  readonly stale: boolean;
  reload(): void;
  /** Changes what is shown, until the next answer. */
  patch(change: (data: T) => T): void;
}

export interface Refresh<T = unknown> {
  /** How it is read, where one answer is not enough. */
  readonly load?: (url: string, signal: AbortSignal) => Promise<T>;
  /** Read again when one of these arrives. */
  readonly on?: readonly LiveEvent[];
  /** But not more often than this. Default 1 s. */
  readonly leastMs?: number;
  /** Read again after this time in any case. */
  readonly everyMs?: number;
}

const AFTER_ERROR_MS = 2_000;
const LEAST_MS = 1_000;

interface Shown<T> {
  readonly url: string | null;
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
}

/** @param url `null` to read nothing */
export function useData<T>(url: string | null, refresh: Refresh<T> = {}): Loaded<T> {
  const [shown, setShown] = useState<Shown<T>>({ url: null, data: undefined, error: undefined });
  const ask = useRef<() => void>(() => undefined);
  const { leastMs = LEAST_MS, everyMs, load = get<T> } = refresh;
  const events = (refresh.on ?? []).join(' ');

  useEffect(() => {
    if (url === null) return undefined;
    const reader = new Reader<T>(url, load, leastMs, everyMs, setShown);
    ask.current = () => reader.now();
    const offs = events
      .split(' ')
      .filter(Boolean)
      .map((event) => onLive(event as LiveEvent, () => reader.soon()));
    const offGeneration = generation.watch(() => reader.now());
    reader.now();
    return () => {
      reader.close();
      offGeneration();
      for (const off of offs) off();
    };
  }, [url, leastMs, everyMs, events]);

  const reload = useCallback(() => ask.current(), []);
  const patch = useCallback((change: (data: T) => T) => {
    setShown((was) => (was.data === undefined ? was : { ...was, data: change(was.data) }));
  }, []);
  return { data: shown.data, error: shown.error, stale: shown.url !== url, reload, patch };
}

/** Asks one question again and again, never twice at once. */
class Reader<T> {
  readonly #url: string;
  readonly #load: NonNullable<Refresh<T>['load']>;
  readonly #leastMs: number;
  readonly #everyMs: number | undefined;
  readonly #show: (update: (was: Shown<T>) => Shown<T>) => void;
  readonly #end = new AbortController();
  #timer: number | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #askedAt = 0;
  #asking = false;
  #again = false;

  constructor(
    url: string,
    load: NonNullable<Refresh<T>['load']>,
    leastMs: number,
    everyMs: number | undefined,
    show: (update: (was: Shown<T>) => Shown<T>) => void,
  ) {
    this.#url = url;
    this.#load = load;
    this.#leastMs = leastMs;
    this.#everyMs = everyMs;
    this.#show = show;
  }

  now(): void {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#ask();
  }

  soon(): void {
    if (this.#asking) this.#again = true;
    else this.#plan(Math.max(0, this.#askedAt + this.#leastMs - performance.now()));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#end.abort();
  }

  #plan(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => this.#ask(), ms);
  }

  #ask(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Number.POSITIVE_INFINITY;
    // A tab that nobody sees asks nothing; it asks when it is seen again.
    if (document.hidden) return;
    this.#asking = true;
    this.#again = false;
    this.#askedAt = performance.now();
    this.#load(this.#url, this.#end.signal).then(
      (data) => this.#answered(() => ({ url: this.#url, data, error: undefined })),
      (error: unknown) => {
        const known = error instanceof ApiError ? error : new ApiError(0, 'PAGE', String(error));
        const lasting = known.status >= 400 && known.status < 500;
        this.#answered(
          (was) => ({
            url: this.#url,
            data: lasting || was.url !== this.#url ? undefined : was.data,
            error: known,
          }),
          AFTER_ERROR_MS,
        );
      },
    );
  }

  #answered(update: (was: Shown<T>) => Shown<T>, nextMs = this.#everyMs): void {
    if (this.#end.signal.aborted) return;
    this.#asking = false;
    this.#show(update);
    if (this.#again) this.#plan(this.#leastMs);
    if (nextMs !== undefined) this.#plan(nextMs);
  }
}
