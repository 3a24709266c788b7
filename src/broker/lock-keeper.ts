/**
 * Keeps the locks of running jobs: in a thread of its own where the engine can be reached from one, else on BullMQ's
 * timers in the main loop. One per worker process and app; every consumer notes its jobs here.
 */
import { once } from 'node:events';
import { Worker as Thread } from 'node:worker_threads';
import { LockManager } from 'bullmq';
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

const RESTART_AFTER_MS = 1000;
/** Locks that live so long are renewed for the first time well after the thread has started, on a busy machine too. */
const UNHURRIED_MS = 4000;

type OnLost = (jobId: string, token: string) => void;

export class LockKeeper {
  /** Whether a thread renews; else each consumer's own timer does. */
  readonly threaded: boolean;
  readonly #memory: LockMemory | undefined;
  readonly #table: LockTable | undefined;
  readonly #listeners = new Map<string, OnLost>();
  #thread: Thread | undefined;
  #heart: NodeJS.Timeout | undefined;

  constructor(private readonly params: LockKeeperParams) {
    this.threaded = params.broker !== undefined;
    if (!this.threaded) return;
    this.#memory = newLockMemory();
    this.#table = new LockTable(this.#memory);
  }

  /**
   * Starts the thread. Resolves when it is at work where locks are short: a task that blocks the loop at once must find
   * it there. Longer ones give it time enough to come up beside the first tasks.
   */
  async start(): Promise<void> {
    const { broker, prefix, lockDurationMs, blockedLoopTimeoutMs } = this.params;
    if (broker === undefined || this.#memory === undefined || this.#thread !== undefined) return;
    const table = this.#table;
    table?.beat();
    this.#heart = setInterval(() => table?.beat(), Math.min(1000, lockDurationMs / 5)).unref();
    const workerData: LockThreadData = {
      broker,
      prefix,
      memory: this.#memory,
      lockDurationMs,
      blockedLoopTimeoutMs,
    };
    this.#thread = new Thread(new URL('./lock-thread.js', import.meta.url), { workerData, execArgv: [] });
    this.#thread.unref();
    this.#thread.on('message', (message: LocksLostMessage | 'ready') => {
      if (message !== 'ready') this.#tell(message.lost);
    });
    this.#thread.on('error', (error: Error) => {
      this.params.onError(
        new Error(`the thread that renews locks failed: ${error.message}`, { cause: error }),
      );
      this.#thread = undefined;
      setTimeout(() => void this.start(), RESTART_AFTER_MS).unref();
    });
    if (lockDurationMs >= UNHURRIED_MS) return;
    // 'exit' comes where it fails at once; the worker goes on, and the error above says what is missing.
    const thread = this.#thread;
    await Promise.race([
      once(thread, 'message').catch(() => undefined),
      once(thread, 'exit').catch(() => undefined),
    ]);
  }

  async stop(): Promise<void> {
    clearInterval(this.#heart);
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }

  /** Tells a queue's consumer which of its locks are gone. */
  listen(queue: string, onLost: OnLost): void {
    this.#listeners.set(queue, onLost);
  }

  /** Notes a lock; undefined when the table cannot hold it and the caller must renew it itself. */
  add(lock: HeldLock): number | undefined {
    return this.#table?.add(lock);
  }

  remove(entry: number): void {
    this.#table?.remove(entry);
  }

  #tell(lost: readonly HeldLock[]): void {
    for (const { queue, jobId, token } of lost) this.#listeners.get(queue)?.(jobId, token);
  }
}

/** BullMQ's lock manager with the renewing moved into the keeper; what the table cannot hold stays on its timer. */
export class KeptLocks extends LockManager {
  readonly #entries = new TransientMap<{ readonly entry: number; readonly token: string }>();

  constructor(
    worker: ConstructorParameters<typeof LockManager>[0],
    opts: ConstructorParameters<typeof LockManager>[1],
    private readonly keeper: LockKeeper,
    private readonly queue: string,
    onLost: (jobIds: string[]) => void,
  ) {
    super(worker, opts);
    keeper.listen(queue, (jobId, token) => {
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
    await super.close();
  }
}
