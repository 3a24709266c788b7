/**
 * The lock thread: renews locks with its own connection and its own timers, so that a task which blocks the main loop does
 * not lose its lock and those of its neighbours. It reads the shared table, extends locks that have been held for a while,
 * and reports lost ones. It must stop renewing when the main loop has been blocked for `blockedLoopTimeout`: that process
 * counts as lost.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { EngineConfig } from '../../broker/broker.js';
import type { HeldLock, LockRenewal } from '../../broker/lock-renewal.js';
import { renewOnRedis } from '../../broker/redis/locks.js';
import { every } from '../../timers.js';
import { LockRenewer } from './lock-renewer.js';
import { type LockMemory, LockTableReader } from './lock-table.js';

/** The thread's `workerData`. */
export interface LockThreadData {
  readonly broker: string;
  readonly prefix: string;
  readonly memory: LockMemory;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
}

/** Posted by the thread: these locks are no longer ours. */
export interface LocksLostMessage {
  readonly lost: readonly HeldLock[];
}

const REDIS = /^(?:redis|rediss|unix|sentinel|clusters?):/i;

/** Opens the renewal. On Redis without loading BullMQ, which would take as long as the rest of a worker's start. */
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
  // On a separate, faster timer: until the report, two workers may run the same task.
  every(lockDurationMs / 20, () => renewer.reportExpired());
  // Connects before there is anything to renew, since the first renewal is the most urgent.
  await renewal.connect().catch(() => undefined); // each renewal tries again
  parentPort?.postMessage('ready');
});
