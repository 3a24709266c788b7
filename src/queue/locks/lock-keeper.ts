/**
 * Keeps the locks of running jobs: in a thread of its own where the engine can be reached from one, else, and for as long
 * as that thread is not at work, on BullMQ's timers in the main loop. One per worker process and app; every consumer notes
 * its jobs here.
 */
import { Worker as Thread } from 'node:worker_threads';
import type { HeldLock } from '../../broker/lock-renewal.js';
import type { Logger } from '../../options/logger.js';
import { findOwnFile, KEEP_OUT } from '../../own-files.js';
import { after, type Cancel, every } from '../../timers.js';
import { type LockMemory, LockTable, newLockMemory } from './lock-table.js';
import type { LocksLostMessage, LockThreadData } from './lock-thread.js';

export interface LockKeeperParams {
  /** A broker URL the thread can open by itself; undefined where there is none. */
  readonly broker: string | undefined;
  readonly prefix: string;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  readonly onError: (error: Error) => void;
  readonly logger: Pick<Logger, 'warn'>;
}

/** A thread that failed is started again after this, after twice as long each time it did not live, up to a bound. */
export const RESTART_AFTER_MS = 1000;
export const LONGEST_RESTART_MS = 300_000;
/** A thread that was at work for so long lived. */
const LIVED_MS = 60_000;
/** Locks that live so long are renewed for the first time well after the thread has started, on a busy machine too. */
const UNHURRIED_MS = 4000;

type OnLost = (jobId: string, token: string) => void;

/** What a {@link LockKeeper} asks of its thread; Node's `Worker` has it. */
export interface LockThread {
  on(event: 'message', listener: (message: LocksLostMessage | 'ready') => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

type StartThread = (data: LockThreadData) => LockThread;

export class LockKeeper {
  /** Whether there is a thread that renews; else each consumer's own timer does. */
  readonly threaded: boolean;
  readonly #memory: LockMemory | undefined;
  readonly #table: LockTable | undefined;
  readonly #listeners = new Set<{ readonly queue: string; readonly onLost: OnLost }>();
  readonly #watchers = new Set<() => void>();
  #atWork = false;
  #thread: LockThread | undefined;
  /** Shows the thread that the main loop turns. */
  #stopHeart: Cancel | undefined;
  /** Ends the wait for the next start. */
  #restart: Cancel | undefined;
  #restartMs = RESTART_AFTER_MS;

  constructor(
    private readonly params: LockKeeperParams,
    private readonly startThread: StartThread | null = lockThreadStarter(),
  ) {
    this.threaded = params.broker !== undefined && startThread !== null;
    if (!this.threaded) return;
    this.#memory = newLockMemory();
    this.#table = new LockTable(this.#memory);
  }

  /**
   * Starts the thread. Resolves when it is at work where locks are short: a task that blocks the loop at once must find
   * it there. Longer ones give it time enough to come up beside the first tasks. May be called again after `stop`.
   */
  async start(): Promise<void> {
    if (this.params.broker !== undefined && !this.threaded) this.params.logger.warn({}, NO_THREAD);
    if (!this.threaded || this.#stopHeart !== undefined) return;
    const table = this.#table;
    this.#restartMs = RESTART_AFTER_MS;
    table?.beat();
    const beatMs = Math.min(1000, this.params.lockDurationMs / 5);
    this.#stopHeart = every(beatMs, () => table?.beat(), { ref: false });
    const atWork = this.#begin();
    if (this.params.lockDurationMs < UNHURRIED_MS) await atWork;
  }

  /** Ends the thread, and with it the renewing. May be called twice. */
  async stop(): Promise<void> {
    this.#stopHeart?.();
    this.#stopHeart = undefined;
    this.#restart?.();
    const thread = this.#thread;
    this.#thread = undefined;
    this.#setAtWork(false);
    await thread?.terminate();
  }

  /** Whether the thread renews at this moment. */
  get atWork(): boolean {
    return this.#atWork;
  }

  /**
   * Calls `onChange` whenever the thread begins to renew, or has ended.
   * @returns a function that ends it
   */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  /**
   * Notifies `onLost` of each lock of a queue that is gone; a queue may have several listeners, each of which knows its own.
   * @returns a function that ends it
   */
  listen(queue: string, onLost: OnLost): () => void {
    const listener = { queue, onLost };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Notes a lock; undefined when the table cannot hold it and the caller must renew it itself. */
  add(lock: HeldLock): number | undefined {
    return this.#table?.add(lock);
  }

  /** Forgets a lock, by what `add` gave for it. */
  remove(entry: number): void {
    this.#table?.remove(entry);
  }

  /** Resolves when the thread is at work, or has ended: the worker goes on, and the error says what is missing. */
  #begin(): Promise<void> {
    const { broker, prefix, lockDurationMs, blockedLoopTimeoutMs } = this.params;
    if (broker === undefined || this.#memory === undefined || this.startThread === null)
      return Promise.resolve();
    let thread: LockThread;
    try {
      thread = this.startThread({
        broker,
        prefix,
        memory: this.#memory,
        lockDurationMs,
        blockedLoopTimeoutMs,
      });
    } catch (error) {
      this.#again(error);
      return Promise.resolve();
    }
    this.#thread = thread;
    let readyAt = Number.POSITIVE_INFINITY;
    let failure: unknown = new Error('it ended');
    return new Promise((resolve) => {
      thread.on('message', (message) => {
        if (message !== 'ready') return this.#notify(message.lost);
        readyAt = performance.now();
        if (this.#thread === thread) this.#setAtWork(true);
        resolve();
      });
      thread.on('error', (error) => {
        failure = error;
      });
      // Also after an error; of one that was stopped nothing is started again.
      thread.on('exit', () => {
        resolve();
        if (this.#thread !== thread) return;
        this.#thread = undefined;
        this.#setAtWork(false);
        if (performance.now() - readyAt > LIVED_MS) this.#restartMs = RESTART_AFTER_MS;
        this.#again(failure);
      });
    });
  }

  /** Starts it once more, later: one that can never live is logged, and tried, seldom. */
  #again(failure: unknown): void {
    const afterMs = this.#restartMs;
    this.#restartMs = Math.min(afterMs * 2, LONGEST_RESTART_MS);
    this.#restart = after(afterMs, () => void this.#begin(), { ref: false });
    this.params.onError(failed(failure, afterMs));
  }

  #setAtWork(atWork: boolean): void {
    if (this.#atWork === atWork) return;
    this.#atWork = atWork;
    for (const onChange of [...this.#watchers]) onChange();
  }

  #notify(lost: readonly HeldLock[]): void {
    for (const { queue, jobId, token } of lost)
      for (const listener of [...this.#listeners])
        if (listener.queue === queue) listener.onLost(jobId, token);
  }
}

/** @returns null where there is no file to start */
function lockThreadStarter(): StartThread | null {
  const file = findOwnFile('queue/locks/lock-thread.js');
  if (file === undefined) return null;
  return (workerData) => {
    const thread = new Thread(file, { workerData, execArgv: [] });
    thread.unref();
    return thread;
  };
}

const NO_THREAD =
  "celeriac is part of a bundle, without its thread that renews the locks of running tasks: the main loop's timers do it. " +
  `A task that blocks the loop for longer than its lock lasts is taken for lost. ${KEEP_OUT}`;

function failed(error: unknown, afterMs: number): Error {
  const why = error instanceof Error ? error.message : String(error);
  const next = `it is started again in ${afterMs / 1000} s, and the main loop's timers renew until then`;
  return new Error(`the thread that renews locks failed: ${why}; ${next}`, { cause: error });
}
