/**
 * What the writes of an end into a workflow's record came to, and what begins after them. Pure.
 */
import type { WorkflowWritten } from '../../broker/broker.js';
import type { FlowInput } from '../../protocol/message.js';
import { type PlanNode, ROOT, type Start, starts } from './plan.js';
import { readFailing } from './record.js';

/** One task gets the value itself; many read it from where it stands. */
export function inputFor(begun: readonly Start[], value: FlowInput | undefined, from: string): FlowInput {
  return value !== undefined && begun.length === 1 ? value : { of: from };
}

/** The failure of a part around it is this one's, told now or by a run before that died. */
export function isOurs({ rows }: WorkflowWritten, write: number, path: string): boolean {
  const before = rows[write]?.before;
  return before === undefined || readFailing(before)?.at === path;
}

/** Somebody asked to forget the workflow at its end, which this write is. */
export function isForgotten({ rows }: WorkflowWritten, write: number): boolean {
  return (rows[write]?.extra ?? 0) > 0;
}

/** The parts of a plan that begin first. */
export function firstStarts(plan: { readonly root: PlanNode }): Start[] {
  return starts(plan.root, ROOT);
}

/** When the first of these parts expires, epoch ms, and a little after; `undefined` where none does. */
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

/** A worker that takes a job at its last moment is seen by then. */
export const EXPIRED_AFTER_MS = 50;
