/**
 * The thread that renews locks: its own connection, its own clock, so that a task which keeps the main loop busy does
 * not lose itself and its neighbours. It reads the shared table, extends what has been held for a while, and reports
 * locks that are gone. It stops renewing when the main loop has not turned for `blockedLoopTimeout`: that process
 * counts as lost.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineConfig } from '../../broker/broker.js';
import type { HeldLock, LockRenewal } from '../../broker/lock-renewal.js';
import { renewOnRedis } from '../../broker/redis/locks.js';
import { every } from '../../timers.js';
import { LockRenewer } from './lock-renewer.js';
import { type LockMemory, LockTableReader } from './lock-table.js';

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
  const { openEngine } = await import('../../broker/open.js');
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

const { memory, lockDurationMs, blockedLoopTimeoutMs, ...rest } = workerData as LockThreadData;

void openRenewal({ memory, lockDurationMs, blockedLoopTimeoutMs, ...rest }).then(async (renewal) => {
  const renewer = new LockRenewer({
    table: new LockTableReader(memory),
    lockDurationMs,
    blockedLoopTimeoutMs,
    extend: (queue, locks) => renewal.extend(queue, locks, lockDurationMs),
    onLost: (lost) => parentPort?.postMessage({ lost } satisfies LocksLostMessage),
    now: () => performance.now(),
  });
  every(lockDurationMs / 5, () => void renewer.renew());
  // On a timer of its own, and closer: each moment here is one in which two workers may run the same task.
  every(lockDurationMs / 20, () => renewer.reportExpired());
  // Before there is anything to renew: the first renewal is the one that is in a hurry.
  await renewal.connect().catch(() => undefined); // each renewal tries again
  parentPort?.postMessage('ready');
});
