/**
 * The progress of a workflow for a waiting part, as `updates()` shows it: how many of the parts it waits for have
 * ended. These are the members of the last group that has begun or, without a group, the steps before it.
 */
import type { Engine } from '../../broker/broker.js';
import { PENDING } from '../../states.js';
import { nodeAt, type Plan, placeOf, stepBefore } from './plan.js';
import { countField, extraField } from './record.js';

/** Most steps that are counted. */
const MOST_STEPS = 500;

/** In the form of a custom state. */
interface Progress {
  readonly state: string;
  readonly meta: { readonly completed: number; readonly total: number };
}

export async function progressBefore(
  engine: Pick<Engine, 'flows'>,
  flow: string,
  path: string,
  plan: Plan,
): Promise<Progress | undefined> {
  const groups = groupsBefore(plan, path);
  if (groups.length === 0) return stepsBefore(engine, flow, path, plan);
  const fields = groups.flatMap(({ at }) => [countField(at), extraField(at)]);
  const [counts = []] = await engine.flows.read([{ flow, fields }]);
  const found = groups.map(({ size }, i) => ({
    completed: Number(counts[2 * i] ?? 0),
    total: size + Number(counts[2 * i + 1] ?? 0),
  }));
  // The nearest group with an ended member; if there is none, the first one that is waited for.
  const meta = found.find(({ completed }) => completed > 0) ?? found.at(-1);
  return meta && { state: PENDING, meta };
}

/** The groups the part waits for, nearest first: the part itself, if it is one, and steps before it. */
function groupsBefore(plan: Plan, path: string): { at: string; size: number }[] {
  const groups: { at: string; size: number }[] = [];
  for (let at: string | undefined = path; at !== undefined; at = stepBefore(plan, at)) {
    const node = nodeAt(plan, at);
    if (node?.kind === 'group' && node.members.length > 0) groups.push({ at, size: node.members.length });
  }
  return groups;
}

/** The earlier steps of the chain around it. */
async function stepsBefore(
  engine: Pick<Engine, 'flows'>,
  flow: string,
  path: string,
  plan: Plan,
): Promise<Progress | undefined> {
  const place = placeOf(path);
  if (place === undefined || place.index === 0 || nodeAt(plan, place.parent)?.kind !== 'chain')
    return undefined;
  const from = Math.max(0, place.index - MOST_STEPS);
  const fields = Array.from({ length: place.index - from }, (_, i) => `${place.parent}.${from + i}`);
  const [ended = []] = await engine.flows.read([{ flow, fields }]);
  const completed = from + ended.filter((text) => text !== undefined).length;
  return { state: PENDING, meta: { completed, total: place.index } };
}
