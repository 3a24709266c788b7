/**
 * What follows from an ended run: the reports made now, the reports made after the write, and what is written.
 * Creates no promise unless one is needed: every task comes through here.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Settlement } from '../../queue/settlement.js';
import { passOn } from '../../steps/inheritance.js';
import { wakeIfAnswered } from '../../steps/wake.js';
import type { StreamWriters } from '../../streams/stream-writers.js';
import { expireStream } from '../end/expire-stream.js';
import { keepTrail } from '../end/keep-trail.js';
import { recordIgnored, releaseClaims } from '../end/release-claims.js';
import type { EventReporter } from '../observe/event-reporter.js';
import type { WorkerHealth } from '../observe/health.js';
import type { TaskLog } from '../observe/task-log.js';
import { runWhenWritten } from './hooks.js';
import type { Execution } from './outcome.js';
import { retentionMs, settle } from './settle.js';

export interface ConcludeParams {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: Pick<BrokerClock, 'now'>;
  readonly streams: Pick<StreamWriters, 'mayHaveStreamed'>;
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
  if (execution.outcome.kind === 'wait') lookOnceMore(params, delivery);
  if (execution.outcome.kind === 'replaced') passOnLater(params, delivery);
  const settlement = settle(delivery, execution);
  const keptMs = retentionMs(settlement, params);
  if (
    keptMs !== undefined &&
    (execution.streamed || params.streams.mayHaveStreamed(delivery, execution.started))
  )
    expireStream(params.engine, delivery, keptMs);
  if (execution.outcome.kind === 'ignore') return recordIgnored(params, delivery).then(() => settlement);
  if ((execution.outcome.kind === 'later' || execution.outcome.kind === 'handBack') && !execution.started)
    return uncount(params, delivery).then(() => settlement);
  if (keptMs !== undefined) releaseClaims(params, delivery, keptMs);
  // Those of a workflow's part were kept before the workflow went on.
  const kept = delivery.message.flow === undefined ? keepTrail(params, delivery, execution) : undefined;
  return kept === undefined ? settlement : kept.then(() => settlement);
}

/** A value may have been sent, or the task revoked, before it was parked. Best effort: a watch finds the value's mark. */
function lookOnceMore({ engine }: ConcludeParams, delivery: Delivery): void {
  const look = () => wakeIfAnswered(engine, delivery.ref, false);
  delivery.afterwards(async () => void (await look().catch(() => undefined))); // a watch finds the value's mark
}

/** What was sent to a replaced task up to its end is its heir's. Best effort: mostly the heir has found it by itself. */
function passOnLater({ engine, tasks, clock }: ConcludeParams, delivery: Delivery): void {
  const { ref } = delivery;
  const heir = async () => (await tasks.read([ref]))[0]?.replacedBy;
  const pass = () => passOn(engine, ref, heir, clock.now());
  delivery.afterwards(() => pass().catch(() => undefined)); // see above
}

/**
 * Takes back a delivery that was fetched but never begun: other workers see from the count whether a task has begun.
 * Best effort: if this fails, the count is only too high.
 */
export async function uncount({ engine }: Pick<ConcludeParams, 'engine'>, { ref }: Delivery): Promise<void> {
  await engine.uncount(ref).catch(() => undefined); // see above
}
