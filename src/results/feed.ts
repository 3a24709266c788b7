/**
 * Notifies waiting callers of changes to tasks. One per app. It subscribes only to the ids that are waited for, reads
 * once after subscribing (so that an earlier result is seen), and sweeps in intervals for lost notices. Checks made
 * in one tick share a request; the number of connections must not grow with the number of waits.
 */

import type { Engine, JobRef, NoticeListener, Notices } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { progressTopic } from '../broker/notice-channels.js';
import type { TaskRecord } from '../coordination/task-record.js';
import { AppClosedError } from '../errors.js';
import { after, type Cancel } from '../timers.js';
import { onAbort } from './abort.js';
import { AGAIN_MS, RetryWhileUnavailable } from './retry-while-unavailable.js';
import { type TaskReader, topicsOf } from './task-reader.js';

/** How often all waits are checked, in case a notice was lost, ms. */
const SWEEP_MS = 2000;
/**
 * A notice may arrive before its write is visible (another connection, a commit): check again after these delays, ms.
 */
const RECHECK_MS = [10, 50, 250];

/** Calls back when a job may have changed. */
export interface Watch {
  /** Resolves once the subscription stands. */
  readonly listening: Promise<void>;
  /** Ends the watch; idempotent. */
  close(): void;
}

/** A wait: for which task, until when. */
export interface Awaited {
  readonly ref: JobRef;
  /** True ends the wait. Also called with `undefined`, for a missing job. */
  readonly accept: (job: TaskRecord | undefined) => boolean;
  /** When the job's state changes without a write, epoch ms of the broker's clock. */
  readonly wakeAt: (job: TaskRecord) => number | undefined;
  /** True if no notice was published yet and each change will publish one: no need to read before. */
  readonly surelyUnnotified?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly limit?: WaitLimit | undefined;
}

/** The longest wait, and the error it then rejects with. */
export interface WaitLimit {
  readonly ms: number;
  readonly error: () => Error;
}

/** How a wait ended: with the current job, or with the value that came with the notice of its end, as JSON. */
export type TaskSighting = { readonly job: TaskRecord | undefined } | { readonly ended: string };

/** One pending wait. A class that sets all its fields in the constructor, since there is one per awaited task. */
class Wait {
  cancelLook: Cancel | undefined;
  rechecks = 0;
  /** True once the wait has ended. */
  over = false;
  /** The listener for the broker's notices. */
  readonly heard: NoticeListener;
  readonly #cancelLate: Cancel | undefined;
  readonly #leave: () => void;

  constructor(
    readonly awaited: Awaited,
    private readonly resolve: (seen: TaskSighting) => void,
    private readonly reject: (error: unknown) => void,
    private readonly host: { look(wait: Wait): void; end(wait: Wait): void },
  ) {
    const { signal, limit } = awaited;
    this.heard = (ended) => (ended === undefined ? host.look(this) : this.settle({ ended }));
    this.#leave = onAbort(signal, () => this.fail(signal?.reason));
    this.#cancelLate = limit && after(limit.ms, () => this.fail(limit.error()));
  }

  settle(seen: TaskSighting): void {
    if (this.#close()) this.resolve(seen);
  }

  fail(error: unknown): void {
    if (this.#close()) this.reject(error);
  }

  /** @returns `false` when the wait had ended before */
  #close(): boolean {
    if (this.over) return false;
    this.over = true;
    this.#leave();
    this.#cancelLate?.();
    this.cancelLook?.();
    this.host.end(this);
    return true;
  }
}

export class Feed {
  readonly #waits = new Set<Wait>();
  readonly #reads = new Map<string, { ref: JobRef; readers: ((result: ReadResult) => void)[] }>();
  /** Runs while there are waits; stops at its first sweep without any. */
  #sweeper: NodeJS.Timeout | undefined;
  /** Keeps the process alive while there are waits. */
  #release: () => void = () => undefined;
  /** The listeners of `watch`. */
  readonly #watchers = new Set<() => void>();
  readonly #patience: RetryWhileUnavailable;
  readonly #host = {
    look: (wait: Wait) => this.#look(wait, true),
    end: (wait: Wait) => this.#end(wait),
  };
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly tasks: Pick<TaskReader, 'read' | 'ended'>,
    private readonly clock: BrokerClock,
  ) {
    this.#patience = new RetryWhileUnavailable(engine, clock);
    this.#signals.onGap(() => {
      void this.#sweep();
      for (const ring of this.#watchers) ring();
    });
  }

  /** Read each time, because a test may replace the engine. */
  get #signals(): Notices {
    return this.engine.signals;
  }

  /** Runs a request for a waiting caller: retries through an outage, until the signal aborts. */
  patiently<R>(work: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    return this.#patience.through(work, signal);
  }

  /** Reads a task; reads of one tick share a request. */
  read(ref: JobRef): Promise<TaskRecord | undefined> {
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

  /** Resolves once `accept` returns true for the job, or a notice brings its value. */
  until(awaited: Awaited): Promise<TaskSighting> {
    return new Promise((resolve, reject) => {
      if (awaited.signal?.aborted) return reject(awaited.signal.reason);
      if (this.#closed) return reject(new AppClosedError());
      this.#begin(new Wait(awaited, resolve, reject, this.#host));
    });
  }

  /** Calls `onNotice` whenever the job may have changed, its progress included, and when the app closes. */
  watch(ref: JobRef, onNotice: () => void): Watch {
    return this.watchTopics([...topicsOf(ref), progressTopic(ref.id)], onNotice);
  }

  /** Calls `onNotice` at each notice of these topics, when notices may have been missed, and when the app closes. */
  watchTopics(topics: readonly string[], onNotice: () => void): Watch {
    // One function per watch: several watches may share one `onNotice`.
    const ring = () => onNotice();
    let over = false;
    const listening = this.#patience.through(async () => {
      if (!over) await Promise.all(topics.map((topic) => this.#signals.subscribe(topic, ring)));
    });
    listening.catch(() => undefined); // callers that await it get the error
    this.#watchers.add(ring);
    return {
      listening,
      close: () => {
        over = true;
        this.#watchers.delete(ring);
        for (const topic of topics) this.#signals.unsubscribe(topic, ring);
      },
    };
  }

  /** Rejects every pending wait. */
  close(): void {
    this.#closed = true;
    this.#patience.close();
    clearInterval(this.#sweeper);
    for (const wait of [...this.#waits]) wait.fail(new AppClosedError());
    for (const ring of this.#watchers) ring();
  }

  #begin(wait: Wait): void {
    if (this.#waits.size === 0) this.#release = this.engine.hold();
    this.#waits.add(wait);
    this.#sweeper ??= setInterval(() => void this.#sweep(), SWEEP_MS).unref();
    this.#listen(wait);
  }

  #end(wait: Wait): void {
    for (const topic of topicsOf(wait.awaited.ref)) this.#signals.unsubscribe(topic, wait.heard);
    this.#waits.delete(wait);
    if (this.#waits.size === 0) this.#release();
  }

  #listen(wait: Wait): void {
    const listening = this.#subscribe(wait);
    if (wait.awaited.surelyUnnotified) {
      this.#patience.noteReached();
      return;
    }
    listening.then(
      () => {
        this.#patience.noteReached();
        this.#look(wait, false);
      },
      (error: unknown) => {
        if (!this.#patience.isAway(error)) wait.fail(error);
        else if (!wait.over) setTimeout(() => this.#relisten(wait), AGAIN_MS);
      },
    );
  }

  #subscribe({ awaited, heard }: Wait): Promise<unknown> {
    const [topic, ...others] = topicsOf(awaited.ref);
    const subscribed = this.#signals.subscribe(topic, heard);
    if (others.length === 0) return subscribed;
    return Promise.all([subscribed, ...others.map((other) => this.#signals.subscribe(other, heard))]);
  }

  #relisten(wait: Wait): void {
    if (!wait.over) this.#listen(wait);
  }

  #look(wait: Wait, noticed: boolean): void {
    this.read(wait.awaited.ref).then(
      (job) => this.#judge(wait, job, noticed),
      // The broker is unavailable: the sweep retries, and the caller's timeout limits how long.
      (error: unknown) => {
        if (!this.#patience.isAway(error)) wait.fail(error);
      },
    );
  }

  #judge(wait: Wait, job: TaskRecord | undefined, noticed: boolean): void {
    if (wait.over) return;
    if (wait.awaited.accept(job)) {
      wait.settle({ job });
      return;
    }
    wait.cancelLook?.();
    const recheckMs = noticed ? RECHECK_MS[wait.rechecks++] : undefined;
    const at = job === undefined ? undefined : wait.awaited.wakeAt(job);
    const delayMs = recheckMs ?? (at === undefined ? undefined : Math.max(1, at - this.clock.now()));
    if (delayMs === undefined) return;
    wait.cancelLook = after(delayMs, () => this.#look(wait, recheckMs !== undefined));
  }

  async #flushReads(): Promise<void> {
    const entries = [...this.#reads.values()];
    this.#reads.clear();
    try {
      const jobs = await this.tasks.read(entries.map((entry) => entry.ref));
      this.#patience.noteReached();
      entries.forEach((entry, i) => {
        for (const reader of entry.readers) reader({ job: jobs[i] });
      });
    } catch (error) {
      for (const entry of entries) for (const reader of entry.readers) reader({ error });
    }
  }

  async #sweep(): Promise<void> {
    if (this.#waits.size === 0) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      return;
    }
    const waits = [...this.#waits];
    try {
      const ended = await this.tasks.ended(waits.map((wait) => wait.awaited.ref));
      waits.forEach((wait, i) => {
        if (ended[i] === true && !wait.over) this.#look(wait, false);
      });
    } catch {
      // The broker is unavailable: the next sweep retries.
    }
  }
}

type ReadResult = { job: TaskRecord | undefined } | { error: unknown };

function keyOf(ref: JobRef): string {
  return `${ref.queue}\0${ref.id}`;
}
