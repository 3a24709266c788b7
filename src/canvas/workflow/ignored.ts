/**
 * What an ignored task means for its workflow. The step or chord header it belongs to ends without a result, and
 * nothing after it runs. A member of a group whose list no step takes leaves a gap in the list. Pure.
 */
import { nodeAt, type Plan, placeOf } from './plan.js';

/** How far an ignored task reaches. */
export interface Ignored {
  /** The part that ends without a result: the whole, a callback, or a member of a group. */
  readonly part: string;
  /** True for a member of a group that goes on: its value in the list is `undefined`. */
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

/** True if a step takes the list of the group: the next one, or the one after a part that the group ends. */
function isHeader(plan: Plan, group: string): boolean {
  for (let place = placeOf(group); place !== undefined; place = placeOf(place.parent)) {
    const around = nodeAt(plan, place.parent);
    if (around?.kind === 'chain' && place.index + 1 < around.steps.length) return true;
  }
  return false;
}
