/**
 * Keeps the locks of running jobs: in a thread of its own where the engine can be reached from one, else on BullMQ's
 * timers in the main loop. One per worker process and app; every consumer notes its jobs here.
 */
import { Worker as Thread } from 'node:worker_threads';
import { LockManager } from 'bullmq';
import { type Cancel, every } from '../timers.js';
import { TransientMap } from '../transient-map.js';
import { type HeldLock, type LockMemory, LockTable, newLockMemory } from './lock-table.js';
import type { LocksLostMessage, LockThreadData } from './lock-thread.js';

export interface LockKeeperParams {
  /** A broker URL the thread can open by itself; undefined where there is none. */
  readonly broker: string | undefined;
  readonly prefix: string;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  readonly onError: (error: Error) => void;
}

/** A thread that failed is started again after this. */
export const RESTART_AFTER_MS = 1000;
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

export class LockKeeper {
  /** Whether a thread renews; else each consumer's own timer does. */
  readonly threaded: boolean;
  readonly #memory: LockMemory | undefined;
  readonly #table: LockTable | undefined;
  readonly #listeners = new Set<{ readonly queue: string; readonly onLost: OnLost }>();
  #thread: LockThread | undefined;
  /** Shows the thread that the main loop turns. */
  #stopHeart: Cancel | undefined;
  #restart: NodeJS.Timeout | undefined;

  constructor(
    private readonly params: LockKeeperParams,
    private readonly startThread = startLockThread,
  ) {
    this.threaded = params.broker !== undefined;
    if (!this.threaded) return;
    this.#memory = newLockMemory();
    this.#table = new LockTable(this.#memory);
  }

  /**
   * Starts the thread. Resolves when it is at work where locks are short: a task that blocks the loop at once must find
   * it there. Longer ones give it time enough to come up beside the first tasks. May be called again after `stop`.
   */
  async start(): Promise<void> {
    if (this.params.broker === undefined || this.#stopHeart !== undefined) return;
    const table = this.#table;
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
    clearTimeout(this.#restart);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
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
    if (broker === undefined || this.#memory === undefined) return Promise.resolve();
    const thread = this.startThread({
      broker,
      prefix,
      memory: this.#memory,
      lockDurationMs,
      blockedLoopTimeoutMs,
    });
    this.#thread = thread;
    return new Promise((resolve) => {
      thread.on('message', (message) => {
        if (message === 'ready') resolve();
        else this.#notify(message.lost);
      });
      thread.on('error', (error) => {
        if (this.#thread === thread) this.params.onError(failed(error));
      });
      // Also after an error; of one that was stopped nothing is started again.
      thread.on('exit', () => {
        resolve();
        if (this.#thread !== thread) return;
        this.#thread = undefined;
        this.#restart = setTimeout(() => void this.#begin(), RESTART_AFTER_MS).unref();
      });
    });
  }

  #notify(lost: readonly HeldLock[]): void {
    for (const { queue, jobId, token } of lost)
      for (const listener of [...this.#listeners])
        if (listener.queue === queue) listener.onLost(jobId, token);
  }
}

function startLockThread(workerData: LockThreadData): LockThread {
  const thread = new Thread(new URL('./lock-thread.js', import.meta.url), { workerData, execArgv: [] });
  thread.unref();
  return thread;
}

function failed(error: Error): Error {
  return new Error(`the thread that renews locks failed: ${error.message}`, { cause: error });
}

/** BullMQ's lock manager with the renewing moved into the keeper; what the table cannot hold stays on its timer. */
export class KeptLocks extends LockManager {
  readonly #entries = new TransientMap<{ readonly entry: number; readonly token: string }>();
  readonly #unlisten: () => void;

  constructor(
    worker: ConstructorParameters<typeof LockManager>[0],
    opts: ConstructorParameters<typeof LockManager>[1],
    private readonly keeper: LockKeeper,
    private readonly queue: string,
    onLost: (jobIds: string[]) => void,
  ) {
    super(worker, opts);
    this.#unlisten = keeper.listen(queue, (jobId, token) => {
      if (this.#entries.get(jobId)?.token === token) onLost([jobId]);
    });
  }

  /** The thread renews; BullMQ's timer runs only for what the table cannot hold. */
  override start(): void {}

  override trackJob(jobId: string, token: string, ts: number): undefined {
    const entry = this.keeper.add({ queue: this.queue, jobId, token });
    if (entry === undefined) {
      if (!super.isRunning()) super.start();
      super.trackJob(jobId, token, ts);
    }
    // Fetched again before its first run was over: the lock of that run is gone, and its place must not be.
    if (entry !== undefined) this.untrackJob(jobId);
    if (entry !== undefined) this.#entries.set(jobId, { entry, token });
    return undefined;
  }

  override untrackJob(jobId: string): void {
    const held = this.#entries.get(jobId);
    if (held === undefined) {
      super.untrackJob(jobId);
      return;
    }
    this.#entries.delete(jobId);
    this.keeper.remove(held.entry);
  }

  override getActiveJobCount(): number {
    return this.#entries.size + super.getActiveJobCount();
  }

  override async close(): Promise<void> {
    for (const { entry } of this.#entries.values()) this.keeper.remove(entry);
    this.#entries.clear();
    this.#unlisten();
    await super.close();
  }
}
