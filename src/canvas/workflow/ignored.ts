/**
 * What it means for a workflow that a task of it wants nothing to come of it: what it is a step or a header's member of ends
 * without a result, and nothing after it runs. A member of a group that nothing waits for leaves a gap in its list. Pure.
 */
import { nodeAt, type Plan, placeOf } from './plan.js';

/** How far it reaches. */
export interface Ignored {
  /** The part that ends without a result: the whole, a callback, or a member of a group. */
  readonly part: string;
  /** It is a member of a group that goes on, and is `undefined` in its list. */
  readonly isMember: boolean;
}

export function afterIgnored(plan: Plan, path: string): Ignored {
  let at = path;
  for (let place = placeOf(at); place !== undefined; place = placeOf(at)) {
    const isGroup = nodeAt(plan, place.parent)?.kind === 'group';
    if (isGroup && !isHeader(plan, place.parent)) return { part: at, isMember: true };
    at = place.parent;
  }
  return { part: at, isMember: false };
}

/** Whether something takes the list of a group: the step after it, or after what it is the last of. */
function isHeader(plan: Plan, group: string): boolean {
  for (let place = placeOf(group); place !== undefined; place = placeOf(place.parent)) {
    const around = nodeAt(plan, place.parent);
    if (around?.kind === 'chain' && place.index + 1 < around.steps.length) return true;
  }
  return false;
}
