/**
 * The thread that renews locks: its own connection, its own clock, so that a task which keeps the main loop busy does
 * not lose itself and its neighbours. It reads the shared table, extends what has been held for a while, and reports
 * locks that are gone. It stops renewing when the main loop has not turned for `blockedLoopTimeout`: that process
 * counts as lost.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineConfig } from './engine.js';
import { type HeldLock, type LockMemory, LockTableReader } from './lock-table.js';
import { type LockRenewal, renewOnRedis } from './redis-locks.js';

/** What the thread is started with. */
export interface LockThreadData {
  readonly broker: string;
  readonly prefix: string;
  readonly memory: LockMemory;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
}

/** What it reports: these locks are no longer ours. */
export interface LocksLostMessage {
  readonly lost: readonly HeldLock[];
}

class Renewer {
  readonly #table: LockTableReader;
  /** Locks seen at the last look, and when each was last known to be ours. */
  #known = new Map<string, { readonly lock: HeldLock; keptAt: number }>();

  constructor(
    private readonly data: LockThreadData,
    private readonly locks: LockRenewal,
  ) {
    this.#table = new LockTableReader(data.memory);
  }

  /** Connects before there is anything to renew: the first renewal is the one that is in a hurry. */
  async connect(): Promise<void> {
    await this.locks.connect().catch(() => undefined); // each renewal tries again
  }

  /** A lock is renewed when it has been held for two looks, so short tasks cost nothing. */
  async look(): Promise<void> {
    const now = Date.now();
    const previous = this.#known;
    const known = new Map<string, { readonly lock: HeldLock; keptAt: number }>();
    const due = new Map<string, HeldLock[]>();
    for (const [identity, lock] of this.#table.held()) {
      const entry = previous.get(identity) ?? { lock, keptAt: now };
      known.set(identity, entry);
      if (previous.has(identity)) due.set(lock.queue, [...(due.get(lock.queue) ?? []), lock]);
    }
    this.#known = known;
    // A loop that is stuck for good must not hold its tasks for good.
    const stuck = this.#table.blockedForMs() > this.data.blockedLoopTimeoutMs;
    if (!stuck) await Promise.all([...due].map(([queue, locks]) => this.#renew(queue, locks)));
    this.#reportExpired();
  }

  async #renew(queue: string, locks: readonly HeldLock[]): Promise<void> {
    try {
      const lostIds = new Set(await this.locks.extend(queue, locks, this.data.lockDurationMs));
      this.#keep(locks.filter((lock) => !lostIds.has(lock.jobId)));
      report(locks.filter((lock) => lostIds.has(lock.jobId)));
    } catch {
      // Out of reach: what is not renewed in time is reported as lost below.
    }
  }

  #keep(locks: readonly HeldLock[]): void {
    const tokens = new Set(locks.map((lock) => lock.token));
    const now = Date.now();
    for (const entry of this.#known.values()) if (tokens.has(entry.lock.token)) entry.keptAt = now;
  }

  /** Locks that could not be renewed for their whole length: another worker may hold them by now. */
  #reportExpired(): void {
    const deadline = Date.now() - this.data.lockDurationMs;
    report([...this.#known.values()].filter((entry) => entry.keptAt < deadline).map((entry) => entry.lock));
  }
}

function report(lost: readonly HeldLock[]): void {
  if (lost.length > 0) parentPort?.postMessage({ lost } satisfies LocksLostMessage);
}

const REDIS = /^(?:redis|rediss|unix|sentinel|clusters?):/i;

/** Redis is reached without loading BullMQ, which would take as long as all else a worker does to be ready. */
async function openRenewal({ broker, prefix }: LockThreadData): Promise<LockRenewal> {
  const config: EngineConfig = {
    prefix,
    connectTimeoutMs: 1000,
    migrate: false,
    onTrouble: () => undefined, // the main thread reports outages
    onRecovered: () => undefined,
  };
  if (REDIS.test(broker)) return renewOnRedis(broker, config);
  const { openEngine } = await import('./open.js');
  const engine = openEngine(broker, config);
  engine.hold();
  return {
    connect: () => engine.ready(),
    extend: async (queue, locks, durationMs) => {
      const backend = await engine.backend(queue);
      const ids = locks.map(({ jobId }) => jobId);
      return backend.extendLocks(
        ids,
        locks.map(({ token }) => token),
        durationMs,
      );
    },
  };
}

const data = workerData as LockThreadData;
void openRenewal(data).then(async (renewal) => {
  const renewer = new Renewer(data, renewal);
  setInterval(() => void renewer.look(), data.lockDurationMs / 5);
  await renewer.connect();
  parentPort?.postMessage('ready');
});
