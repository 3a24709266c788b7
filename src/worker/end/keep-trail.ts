/** Keeps what a run has called, before its end is written: who waits for the end finds the trail. */
import type { Engine } from '../../broker/broker.js';
import { noteTrail } from '../../coordination/trail.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Execution } from '../run/outcome.js';
import { retentionMs, settle } from '../run/settle.js';

export interface KeepTrailParams {
  readonly engine: Pick<Engine, 'records'>;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
}

/** Undefined if there is nothing to keep. Best effort: the task's own record matters more. */
export function keepTrail(
  params: KeepTrailParams,
  delivery: Delivery,
  execution: Execution,
): Promise<void> | undefined {
  const { trail } = execution;
  if (trail === undefined || leavesNothing(delivery.message)) return undefined;
  const keptMs = retentionMs(settle(delivery, execution), params);
  if (keptMs === 0) return undefined;
  return noteTrail(params.engine, delivery.taskId, trail, keptMs ?? longestKept(params)).catch(
    () => undefined,
  ); // see above
}

/** A task whose record is gone with it, however it ends. */
function leavesNothing({ ignore, forgotten }: Delivery['message']): boolean {
  return ignore === true || forgotten === true;
}

/** How long the trail of a task that goes on is kept at least, ms. */
function longestKept({ resultExpiresMs, failureExpiresMs }: KeepTrailParams): number {
  return Math.max(1, resultExpiresMs, failureExpiresMs);
}
