/**
 * Wakes those who wait for tasks. One per app: it listens for the ids that are waited for and no others, looks at the
 * broker once the subscription stands (so a result that came first is seen), and sweeps now and then for notices that
 * were lost. Checks of one tick travel together; the number of connections does not grow with the number of waits.
 */
import type { Engine, JobRef, StoredJob } from '../broker/engine.js';
import { AppClosedError, BrokerUnavailableError } from '../errors.js';

/** How often all waits are looked at, in case a notice was lost. */
const SWEEP_MS = 2000;
/** How long a wait that could not be listened for pauses before it tries again. */
const LISTEN_AGAIN_MS = 500;
/** A notice may outrun the write it tells of (another connection, a commit): look again after these. */
const RECHECK_MS = [10, 50, 250];

/** Calls back when a job may have changed. */
export interface Watch {
  /** Resolves when the job is being listened for. */
  readonly listening: Promise<void>;
  /** Ends the watch; idempotent. */
  close(): void;
}

interface Wait {
  readonly ref: JobRef;
  readonly accept: (job: StoredJob | undefined) => boolean;
  readonly wakeAt: (job: StoredJob) => number | undefined;
  readonly settle: (outcome: { job: StoredJob | undefined } | { error: unknown }) => void;
  timer: NodeJS.Timeout | undefined;
  rechecks: number;
  /** Nobody waits any more. */
  over: boolean;
}

export class Feed {
  readonly #waits = new Map<string, Set<Wait>>();
  readonly #reads = new Map<string, { ref: JobRef; readers: ((result: ReadResult) => void)[] }>();
  #sweeper: NodeJS.Timeout | undefined;
  #reached = false;
  #closed = false;

  constructor(private readonly engine: Engine) {
    engine.signals.onGap(() => void this.#sweep());
  }

  /** Reads jobs; those asked for in one tick travel together. */
  read(ref: JobRef): Promise<StoredJob | undefined> {
    return new Promise((resolve, reject) => {
      const reader = (result: ReadResult) => ('error' in result ? reject(result.error) : resolve(result.job));
      const key = keyOf(ref);
      const queued = this.#reads.get(key);
      if (queued !== undefined) {
        queued.readers.push(reader);
        return;
      }
      this.#reads.set(key, { ref, readers: [reader] });
      if (this.#reads.size === 1) queueMicrotask(() => void this.#flushReads());
    });
  }

  /**
   * Resolves with the job once `accept` says so (it also judges `undefined`, a job that is not there).
   * @param wakeAt when the job's state changes without anybody writing it, epoch ms of this process
   */
  async until(
    ref: JobRef,
    accept: (job: StoredJob | undefined) => boolean,
    wakeAt: (job: StoredJob) => number | undefined,
    signal?: AbortSignal,
  ): Promise<StoredJob | undefined> {
    signal?.throwIfAborted();
    if (this.#closed) throw new AppClosedError();
    const release = this.engine.hold();
    let settle: Wait['settle'] = () => undefined;
    const settled = new Promise<StoredJob | undefined>((resolve, reject) => {
      settle = (outcome) => ('error' in outcome ? reject(outcome.error) : resolve(outcome.job));
    });
    const wait: Wait = { ref, accept, wakeAt, settle, timer: undefined, rechecks: 0, over: false };
    const onAbort = () => settle({ error: signal?.reason });
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#add(wait);
    const listener = () => this.#look(wait, true);
    this.#listen(wait, listener);
    try {
      return await settled;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      wait.over = true;
      clearTimeout(wait.timer);
      this.engine.signals.unsubscribe(ref.id, listener);
      this.#remove(wait);
      release();
    }
  }

  /** Calls `onNotice` whenever the job may have changed. */
  watch(ref: JobRef, onNotice: () => void): Watch {
    const listening = this.engine.signals.subscribe(ref.id, onNotice);
    listening.catch(() => undefined); // told to whoever awaits it
    return { listening, close: () => this.engine.signals.unsubscribe(ref.id, onNotice) };
  }

  /** Rejects every pending wait. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    for (const wait of this.#all()) wait.settle({ error: new AppClosedError() });
  }

  #listen(wait: Wait, listener: () => void): void {
    this.engine.signals.subscribe(wait.ref.id, listener).then(
      () => {
        this.#reached = true;
        this.#look(wait, false);
      },
      (error: unknown) => {
        if (!this.#isAway(error)) wait.settle({ error });
        else if (!wait.over) setTimeout(() => this.#listen(wait, listener), LISTEN_AGAIN_MS);
      },
    );
  }

  /** A broker that was there and is away comes back; one that never was is an error of the first wait. */
  #isAway(error: unknown): boolean {
    return this.#reached && (this.engine.isUnavailable(error) || error instanceof BrokerUnavailableError);
  }

  #look(wait: Wait, noticed: boolean): void {
    this.read(wait.ref).then(
      (job) => this.#judge(wait, job, noticed),
      // Out of reach just now: the sweep asks again, the caller's timeout decides how long.
      (error: unknown) => {
        if (!this.#isAway(error)) wait.settle({ error });
      },
    );
  }

  #judge(wait: Wait, job: StoredJob | undefined, noticed: boolean): void {
    if (wait.accept(job)) {
      wait.settle({ job });
      return;
    }
    clearTimeout(wait.timer);
    const recheckMs = noticed ? RECHECK_MS[wait.rechecks++] : undefined;
    const at = job === undefined ? undefined : wait.wakeAt(job);
    const delayMs = recheckMs ?? (at === undefined ? undefined : Math.max(1, at - Date.now()));
    if (delayMs === undefined || delayMs > MAX_TIMER_MS) return;
    wait.timer = setTimeout(() => this.#look(wait, recheckMs !== undefined), delayMs);
  }

  async #flushReads(): Promise<void> {
    const entries = [...this.#reads.values()];
    this.#reads.clear();
    try {
      const jobs = await this.engine.readJobs(entries.map((entry) => entry.ref));
      entries.forEach((entry, i) => {
        for (const reader of entry.readers) reader({ job: jobs[i] });
      });
    } catch (error) {
      for (const entry of entries) for (const reader of entry.readers) reader({ error });
    }
  }

  async #sweep(): Promise<void> {
    const waits = [...this.#all()];
    if (waits.length === 0) return;
    try {
      const ended = await this.engine.readEnded(waits.map((wait) => wait.ref));
      waits.forEach((wait, i) => {
        if (ended[i] === true) this.#look(wait, false);
      });
    } catch {
      // Out of reach: the next sweep asks again.
    }
  }

  #add(wait: Wait): void {
    const key = keyOf(wait.ref);
    const waits = this.#waits.get(key) ?? new Set();
    this.#waits.set(key, waits.add(wait));
    this.#sweeper ??= setInterval(() => void this.#sweep(), SWEEP_MS);
  }

  #remove(wait: Wait): void {
    const key = keyOf(wait.ref);
    const waits = this.#waits.get(key);
    waits?.delete(wait);
    if (waits?.size === 0) this.#waits.delete(key);
    if (this.#waits.size > 0) return;
    clearInterval(this.#sweeper);
    this.#sweeper = undefined;
  }

  *#all(): Generator<Wait> {
    for (const waits of this.#waits.values()) yield* waits;
  }
}

type ReadResult = { job: StoredJob | undefined } | { error: unknown };

/** Node's timers take no more. A wait that long is looked after by the sweep. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function keyOf(ref: JobRef): string {
  return `${ref.queue}\0${ref.id}`;
}
