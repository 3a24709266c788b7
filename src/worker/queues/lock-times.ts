/** How long the locks of a worker's jobs last, and how often it looks for those of dead workers. */
import type { Engine } from '../../broker/broker.js';

/** Longest lock, for timers: BullMQ renews locks and checks for stalled jobs on timers of its own. */
const MOST_LOCK_MS = 24 * 86_400_000;

/** What decides about them. */
export interface LockParams {
  readonly engine: Pick<Engine, 'oneProcess'>;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
}

/** As a consumer takes them, ms. */
export function lockTimes({ engine, lockDurationMs: wanted, blockedLoopTimeoutMs }: LockParams): {
  readonly lockDurationMs: number;
  readonly stalledIntervalMs: number;
} {
  const lockDurationMs = Math.min(wanted, MOST_LOCK_MS);
  return {
    // With one process no other worker could take a task over, so a blocked event loop must not lose its own locks.
    lockDurationMs: engine.oneProcess
      ? Math.min(Math.max(lockDurationMs, blockedLoopTimeoutMs), MOST_LOCK_MS)
      : lockDurationMs,
    // A worker may die just after a renewal: lock + two checks stay within three locks.
    stalledIntervalMs: Math.max(200, Math.floor(lockDurationMs * 0.8)),
  };
}
