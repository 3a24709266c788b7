/**
 * What `this.endWorkflow()` means for the workflow: how far it reaches, and what it writes. The chain around the task ends
 * with the task's value, and nothing after it runs. Pure.
 */
import type { WorkflowWrite } from '../../broker/broker.js';
import { type Advance, afterSuccess } from './advance.js';
import { finalOf, nodeAt, type Plan, placeOf } from './plan.js';
import {
  countField,
  type Ending,
  type Failing,
  type FailureCause,
  failedField,
  type Success,
} from './record.js';

/** The revocation reason of parts that did not run because a task had ended their workflow. */
export const WORKFLOW_ENDED = 'workflow ended';

/**
 * The part that ends when a task ends its workflow: the chain around it, where a chord is a chain of its header and its
 * body, and a chain among the steps of another one belongs to it. `undefined` if no step comes after the task, or after
 * the group it is a member of: then its end is like any other.
 */
export function endedBy(plan: Plan, path: string): string | undefined {
  let chain: string | undefined;
  let at = path;
  for (let place = placeOf(at); place !== undefined; place = placeOf(at)) {
    at = place.parent;
    if (nodeAt(plan, at)?.kind === 'chain') chain = at;
    else if (chain !== undefined) break;
  }
  const node = chain === undefined ? undefined : nodeAt(plan, chain);
  if (node === undefined || chain === undefined) return undefined;
  const last = finalOf(node, chain);
  return path === last || path.startsWith(`${last}.`) ? undefined : chain;
}

/** An early end: all its writes are made together, so that no failure beside it can come between. */
export interface EarlyEnd {
  readonly writes: readonly WorkflowWrite[];
  /** The index of the write that decides whether this task ends the part: another one may have failed it before. */
  readonly claim: number;
  /** The tasks and chains inside the part that have ended with it: their links begin. */
  readonly inside: readonly string[];
  /** The groups inside the part that count one more ended member, with the counting write. */
  readonly counted: readonly { readonly group: string; readonly size: number; readonly write: number }[];
  /** What follows from the end of the part. */
  readonly advance: Advance;
}

/** @param part what ends: see {@link endedBy} */
export function afterEnded(
  plan: Plan,
  path: string,
  part: string,
  ending: Success,
  cause: FailureCause,
): EarlyEnd {
  const writes: WorkflowWrite[] = [{ field: path, value: JSON.stringify(ending) }];
  const inside = [path];
  const counted: { group: string; size: number; write: number }[] = [];
  let claim = 0;
  let at = path;
  for (let place = placeOf(at); place !== undefined && at !== part; place = placeOf(at)) {
    const { parent, index } = place;
    const around = nodeAt(plan, parent);
    if (around === undefined || around.kind === 'task') break;
    if (around.kind === 'group' && at === path) {
      writes[0] = { ...(writes[0] as WorkflowWrite), counter: countField(parent) };
      counted.push({ group: parent, size: around.members.length, write: 0 });
    }
    const failing: Failing = { at: path, i: index, in: around.kind, ended: part, f: cause };
    claim = writes.length;
    writes.push({ field: failedField(parent), value: JSON.stringify(failing) });
    if (around.kind === 'chain' && parent !== part) {
      writes.push({ field: parent, value: JSON.stringify({ at: path } satisfies Ending) });
      inside.push(parent);
    }
    at = parent;
  }
  const advance = afterSuccess(plan, part, { at: path });
  return {
    writes: [...writes, ...advance.writes],
    claim,
    inside,
    counted,
    advance: { ...advance, next: behind(advance.next, writes.length) },
  };
}

/** The same, where so many writes come before. */
function behind(next: Advance['next'], writes: number): Advance['next'] {
  return next.kind === 'member' || next.kind === 'whole' ? { ...next, write: next.write + writes } : next;
}
