/**
 * Removes the record of a workflow once no part of it goes on. If the outcome is kept for less time than the rest may
 * take, the record stays for the rest, and reads as gone. Must cost nothing when outcomes are kept for long.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { GOING_ON_MS } from './jobs.js';
import type { PlanCache } from './plan-cache.js';
import { UNTIL } from './record.js';
import { unfinished, unfinishedFields } from './unfinished.js';

/** Most fields read at a time. */
const BATCH = 500;

export interface WorkflowTidyParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
}

export class WorkflowTidy {
  constructor(private readonly params: WorkflowTidyParams) {}

  /** Called when a part has ended: if it was the last one, the record goes with the outcome. */
  async settle(flow: string): Promise<void> {
    const { engine, clock, plans, resultExpiresMs, failureExpiresMs } = this.params;
    if (Math.min(resultExpiresMs, failureExpiresMs) >= GOING_ON_MS) return;
    const [[until] = []] = await engine.flows.read([{ flow, fields: [UNTIL] }]);
    const plan = until === undefined ? undefined : await plans.whole(flow);
    if (until === undefined || plan === undefined) return;
    const values = await readFields(engine, flow, unfinishedFields(plan));
    if (unfinished(plan, (field) => values.get(field)).length > 0) return;
    await engine.flows.expire(flow, Math.max(1, Number(until) - clock.now()));
  }
}

/** Reads fields of a workflow's record, in batches. */
export async function readFields(
  engine: Engine,
  flow: string,
  fields: readonly string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let at = 0; at < fields.length; at += BATCH) {
    const some = fields.slice(at, at + BATCH);
    const [values = []] = await engine.flows.read([{ flow, fields: some }]);
    for (const [i, value] of values.entries()) if (value !== undefined) found.set(some[i] ?? '', value);
  }
  return found;
}
