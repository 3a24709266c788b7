/** What the writes at the end of a part resulted in, and what begins after them. Pure. */
import type { WorkflowWritten } from '../../broker/broker.js';
import type { FlowInput } from '../../protocol/message.js';
import { type PlanNode, ROOT, type Start, starts } from './plan.js';
import { readFailing } from './record.js';

/** A single task gets the value itself; several read it from the record. */
export function inputFor(begun: readonly Start[], value: FlowInput | undefined, from: string): FlowInput {
  return value !== undefined && begun.length === 1 ? value : { of: from };
}

/** True if the failure of an enclosing part was recorded for this part, now or by an earlier run that died. */
export function isOurs({ rows }: WorkflowWritten, write: number, path: string): boolean {
  const before = rows[write]?.before;
  return before === undefined || readFailing(before)?.at === path;
}

/** True if the workflow is to be forgotten at its end, which this write is. */
export function isForgotten({ rows }: WorkflowWritten, write: number): boolean {
  return (rows[write]?.extra ?? 0) > 0;
}

/** The parts of a plan that begin first. */
export function firstStarts(plan: { readonly root: PlanNode }): Start[] {
  return starts(plan.root, ROOT);
}

/** When the first of these parts expires, plus a margin, epoch ms; `undefined` if none does. */
export function expiryOf(begun: readonly Start[], now: number): number | undefined {
  let first: number | undefined;
  for (const start of begun) {
    if (start.kind !== 'task') continue;
    const { expiresAt, expiresInMs } = start.leaf;
    const at = expiresAt ?? (expiresInMs === undefined ? undefined : now + expiresInMs);
    if (at !== undefined) first = Math.min(at, first ?? at);
  }
  return first === undefined ? undefined : first + EXPIRED_AFTER_MS;
}

/** Margin after an expiry, ms: a worker that fetches a job at its last moment is visible by then. */
export const EXPIRED_AFTER_MS = 50;
