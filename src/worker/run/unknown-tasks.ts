/**
 * Tasks that are not registered here. A deploy may be under way, so they are handed back for a while before they
 * fail: for a fixed time, however often they are fetched meanwhile. The broker keeps when that began, for all
 * workers.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { NotRegisteredError } from '../../errors.js';
import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Registry } from '../../tasks/registry.js';
import type { Outcome } from './outcome.js';

export interface UnknownTasksParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly unknownTaskGraceMs: number;
}

const LONGEST_PAUSE_MS = 2000;
const SHORTEST_PAUSE_MS = 100;
/** After the time is up the record is kept this long; a task fetched later begins anew, ms. */
const KEPT_MS = 60_000;

export class UnknownTasks {
  constructor(private readonly params: UnknownTasksParams) {}

  /** Never rejects. */
  async outcomeOf(delivery: Delivery): Promise<Outcome> {
    const { clock, unknownTaskGraceMs: graceMs } = this.params;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, graceMs / 5));
    const later: Outcome = { kind: 'later', delayMs: pauseMs, yields: true };
    try {
      const sinceMs = clock.now() - (await this.#firstRefusedAt(delivery));
      if (sinceMs < graceMs) return later;
      await this.params.engine.records.remove(keyOf(delivery));
      return { kind: 'failure', error: this.#error(delivery) };
    } catch {
      return later; // the broker did not answer: nothing is known of the time, and nothing is lost
    }
  }

  /** Epoch ms. */
  async #firstRefusedAt(delivery: Delivery): Promise<number> {
    const { engine, clock, unknownTaskGraceMs } = this.params;
    const key = keyOf(delivery);
    const now = clock.now();
    const first = await engine.records.create(key, String(now), unknownTaskGraceMs + KEPT_MS);
    if (first) {
      this.#log(delivery);
      return now;
    }
    const [record] = await engine.records.read([key]);
    return record === undefined ? now : Number(record.value);
  }

  /** Logs once per task: the missing code can still be deployed. */
  #log({ name, taskId, queue }: Delivery): void {
    const { registry, logger, unknownTaskGraceMs: graceMs } = this.params;
    const near = registry.nearest(name);
    logger.warn(
      { task: name, taskId, queue, graceMs, ...(near !== undefined && { nearest: near }) },
      'unknown task: handed back until a worker knows it, or its time is over',
    );
  }

  #error({ name, queue }: Delivery): NotRegisteredError {
    const near = this.params.registry.nearest(name);
    return new NotRegisteredError(
      `No worker on queue "${queue}" has registered the task "${name}" (tried for ${this.params.unknownTaskGraceMs} ms). ` +
        (near === undefined ? 'Is its module loaded by the worker?' : `Did you mean "${near}"?`),
    );
  }
}

function keyOf({ ref }: Delivery): string {
  return `unknown:${ref.queue}:${ref.id}`;
}
