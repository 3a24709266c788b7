/**
 * What follows from an ended run: who hears of it now, who once it is written, and what is written. Makes no promise where
 * none is needed: every task comes through here.
 */

import type { Engine } from '../../broker/broker.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Settlement } from '../../queue/settlement.js';
import { recordIgnored, releaseClaims } from '../end/release-claims.js';
import type { EventReporter } from '../observe/event-reporter.js';
import type { WorkerHealth } from '../observe/health.js';
import type { TaskLog } from '../observe/task-log.js';
import { runWhenWritten } from './hooks.js';
import type { Execution } from './outcome.js';
import { retentionMs, settle } from './settle.js';

export interface ConcludeParams {
  readonly engine: Engine;
  readonly index: TaskIdIndex;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  readonly log: TaskLog;
  readonly health: WorkerHealth;
  readonly events: EventReporter;
}

export function conclude(
  params: ConcludeParams,
  delivery: Delivery,
  execution: Execution,
): Settlement | Promise<Settlement> {
  const { log, health, events: eventReporter } = params;
  log.ended(delivery, execution);
  health.ended(delivery, execution);
  if (eventReporter.active) eventReporter.ended(delivery, execution);
  runWhenWritten(delivery, execution);
  const settlement = settle(delivery, execution);
  const keptMs = retentionMs(settlement, params);
  if (execution.outcome.kind === 'ignore') return recordIgnored(params, delivery).then(() => settlement);
  if (execution.outcome.kind === 'later' && !execution.started)
    return uncount(params, delivery).then(() => settlement);
  if (keptMs !== undefined) releaseClaims(params, delivery, keptMs);
  return settlement;
}

/**
 * It was fetched, and nobody began it: then it is not counted among its deliveries, by which others tell whether it has
 * begun. Best effort: uncounted it is only a number too high.
 */
export async function uncount({ engine }: Pick<ConcludeParams, 'engine'>, { ref }: Delivery): Promise<void> {
  // A number too high does no harm.
  await engine.uncount(ref).catch(() => undefined);
}
