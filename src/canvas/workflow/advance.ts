/**
 * What the end of one part means for the parts around it: what to write, and what comes next. Pure; the only place
 * that decides how a workflow advances.
 */
import type { WorkflowWrite } from '../../broker/broker.js';
import { finalOf, nodeAt, type Parallel, type Plan, type PlanNode, placeOf, ROOT } from './plan.js';
import { CLOSE, countField, type Ending, type Failing, type FailureCause, failedField } from './record.js';

/** What follows when a part succeeded. */
export type Next =
  /** The next step begins, with the value of `from`. */
  | { readonly kind: 'step'; readonly path: string; readonly node: PlanNode; readonly from: string }
  /** A member of a group ended; the last one ends the group. `write` is the index of the write that counts it. */
  | { readonly kind: 'member'; readonly group: string; readonly size: number; readonly write: number }
  /** The whole has its value. `write` is the index of the write that closes it. */
  | { readonly kind: 'whole'; readonly write: number }
  /** A link or errback ended, which ends nothing else. */
  | { readonly kind: 'callback' };

export interface Advance {
  readonly writes: readonly WorkflowWrite[];
  /** The parts that have succeeded by this end, each with the part that holds its value; their links begin. */
  readonly ended: readonly { readonly path: string; readonly from: string }[];
  readonly next: Next;
}

/** A part succeeded: a task with its value, or a group whose members all have theirs. */
export function afterSuccess(plan: Plan, path: string, ending: Ending): Advance {
  const writes: WorkflowWrite[] = [{ field: path, value: JSON.stringify(ending) }];
  const from = path;
  const ended = [{ path, from }];
  let at = path;
  for (;;) {
    const place = placeOf(at);
    if (place === undefined) return { ...closed(writes, at), ended };
    const around = nodeAt(plan, place.parent);
    if (around?.kind === 'group') {
      const write = writes.length - 1;
      const counted = { ...(writes[write] as WorkflowWrite), counter: countField(place.parent) };
      const next = { kind: 'member', group: place.parent, size: around.members.length, write } as const;
      return { writes: [...writes.slice(0, write), counted], ended, next };
    }
    const following = around?.kind === 'chain' ? around.steps[place.index + 1] : undefined;
    if (following !== undefined) {
      const next = {
        kind: 'step',
        path: `${place.parent}.${place.index + 1}`,
        node: following,
        from,
      } as const;
      return { writes, ended, next };
    }
    at = place.parent;
    writes.push({ field: at, value: JSON.stringify({ at: from } satisfies Ending) });
    ended.push({ path: at, from });
  }
}

function closed(
  writes: readonly WorkflowWrite[],
  at: string,
): { writes: readonly WorkflowWrite[]; next: Next } {
  if (at !== ROOT) return { writes, next: { kind: 'callback' } };
  return { writes: [...writes, CLOSE], next: { kind: 'whole', write: writes.length } };
}

/** What the failure of a task means. */
export interface FailurePropagation {
  readonly writes: readonly WorkflowWrite[];
  /**
   * The enclosing parts that fail with it, innermost first, each with the index of the write that records this. If an
   * earlier failure is recorded there, this task does not fail that part and those around it.
   */
  readonly failed: readonly {
    readonly path: string;
    readonly write: number;
    readonly body: string | undefined;
  }[];
  /** The groups that count one more ended member, with the counting write. */
  readonly counted: readonly { readonly group: string; readonly size: number; readonly write: number }[];
  /** The index of the write that closes the whole; undefined if this does not end it. */
  readonly closes: number | undefined;
}

/**
 * A task failed for good, was revoked, or was ignored.
 * @param upTo the parts around this one go on
 */
export function afterFailure(
  plan: Plan,
  path: string,
  blame: FailureCause,
  ending: Ending,
  upTo?: string,
): FailurePropagation {
  const writes: WorkflowWrite[] = [{ field: path, value: JSON.stringify(ending) }];
  const failed: { path: string; write: number; body: string | undefined }[] = [];
  const counted: { group: string; size: number; write: number }[] = [];
  /** Index of the write that records the end of the current part; groups end by their count. */
  let own: number | undefined = 0;
  let at = path;
  for (let place = placeOf(at); place !== undefined; place = placeOf(at)) {
    if (at === upTo) break;
    const { parent, index } = place;
    const around = nodeAt(plan, parent);
    if (around === undefined || around.kind === 'task') break;
    const header = around.kind === 'chain' && isHeader(plan, at, path);
    if (around.kind === 'group' && own !== undefined) {
      writes[own] = { ...(writes[own] as WorkflowWrite), counter: countField(parent) };
      counted.push({ group: parent, size: around.members.length, write: own });
    }
    const failing: Failing = {
      at: path,
      i: index,
      in: around.kind,
      ...(header && { chord: true }),
      ...('i' in ending && { ignored: true }),
      f: blame,
    };
    failed.push({
      path: parent,
      write: writes.length,
      body: header && index + 1 < around.steps.length ? `${parent}.${index + 1}` : undefined,
    });
    writes.push({ field: failedField(parent), value: JSON.stringify(failing) });
    own = around.kind === 'chain' ? writes.length : undefined;
    if (around.kind === 'chain')
      writes.push({ field: parent, value: JSON.stringify({ x: path } satisfies Ending) });
    at = parent;
  }
  // A group as the whole ends only with its last member.
  if (at !== ROOT || plan.root.kind === 'group') return { writes, failed, counted, closes: undefined };
  return { writes: [...writes, CLOSE], failed, counted, closes: writes.length };
}

/** True if a step gives the list of a group that contains the failed part: then the next step is a chord's body. */
function isHeader(plan: Plan, step: string, failed: string): boolean {
  const node = nodeAt(plan, step);
  const final = node === undefined ? step : finalOf(node, step);
  return nodeAt(plan, final)?.kind === 'group' && failed.startsWith(`${final}.`);
}

/** True if all members of a group have ended, those included that were added while it ran. */
export function isFull(group: { readonly size: number }, count: number, extra: number): boolean {
  return count >= group.size + extra;
}

/** The members of a group, by path, in order. */
export function memberPaths(group: string, size: number): string[] {
  return Array.from({ length: size }, (_, i) => `${group}.${i}`);
}

/** True if a member of a group is a group itself, whose values are spliced in. */
export function isSpliced(plan: Plan, path: string): boolean {
  const place = placeOf(path);
  if (place === undefined || nodeAt(plan, path)?.kind !== 'group') return false;
  return (nodeAt(plan, place.parent) as Parallel | undefined)?.kind === 'group';
}
