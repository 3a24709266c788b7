/**
 * Keeps the locks of running jobs renewed: by the lock thread, if a thread can reach the engine; else, and while that
 * thread is not at work, by BullMQ's timers in the main loop. There is one keeper per worker process and app, and every
 * consumer adds its locks to it.
 */
import { Worker as Thread } from 'node:worker_threads';
import type { HeldLock } from '../../broker/lock-renewal.js';
import type { Logger } from '../../options/logger.js';
import { findOwnFile, KEEP_OUT } from '../../own-files.js';
import { after, type Cancel, every } from '../../timers.js';
import { type LockMemory, LockTable, newLockMemory } from './lock-table.js';
import type { LocksLostMessage, LockThreadData } from './lock-thread.js';

export interface LockKeeperParams {
  /** A broker URL that the lock thread can open by itself; `undefined` if there is none. */
  readonly broker: string | undefined;
  readonly prefix: string;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  readonly onError: (error: Error) => void;
  readonly logger: Pick<Logger, 'warn'>;
}

/** First delay before a failed thread is restarted, ms; it doubles after each short life, up to a bound. */
export const RESTART_AFTER_MS = 1000;
export const LONGEST_RESTART_MS = 300_000;
/** Time at work after which the restart delay is reset, ms. */
const LIVED_MS = 60_000;
/** Lock duration, ms, from which the first renewal is due well after the thread has started, even on a busy machine. */
const UNHURRIED_MS = 4000;

type OnLost = (jobId: string, token: string) => void;

/** The parts of Node's `Worker` that {@link LockKeeper} uses. */
export interface LockThread {
  on(event: 'message', listener: (message: LocksLostMessage | 'ready') => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

type StartThread = (data: LockThreadData) => LockThread;

/** Holds the locks of a worker process and runs the lock thread. */
export class LockKeeper {
  /** Whether a lock thread renews; else each consumer's own timer does. */
  readonly threaded: boolean;
  readonly #memory: LockMemory | undefined;
  readonly #table: LockTable | undefined;
  readonly #listeners = new Set<{ readonly queue: string; readonly onLost: OnLost }>();
  readonly #watchers = new Set<() => void>();
  #atWork = false;
  #thread: LockThread | undefined;
  /** Stops the heartbeat that shows the thread that the main loop is not blocked. */
  #stopHeart: Cancel | undefined;
  /** Cancels the next restart. */
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
   * Starts the thread. With short locks, resolves once the thread is at work, so that it protects a task which blocks the
   * loop at once. Longer locks leave the thread time to start beside the first tasks. May be called again after `stop`.
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

  /** Ends the thread and the renewals. May be called twice. */
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
   * @returns a function that stops it
   */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  /**
   * Calls `onLost` for each lost lock of a queue. A queue may have several listeners; each must recognise its own locks.
   * @returns a function that stops it
   */
  listen(queue: string, onLost: OnLost): () => void {
    const listener = { queue, onLost };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds a lock. @returns its entry; `undefined` if the table cannot hold it and the caller must renew it */
  add(lock: HeldLock): number | undefined {
    return this.#table?.add(lock);
  }

  /** Removes a lock by the entry that `add` returned. */
  remove(entry: number): void {
    this.#table?.remove(entry);
  }

  /** Resolves when the thread is at work or has ended. After a failure the worker runs on, and the error is reported. */
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
      // Also fires after an error. A stopped thread is not restarted.
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

  /** Restarts the thread later. The delay grows, so that a thread which always fails is rarely tried and logged. */
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

/** @returns null if the thread's file is missing, as in a bundle */
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
