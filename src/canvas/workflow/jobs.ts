/**
 * The jobs of a workflow, for operations on all of them. Batches are bounded, so that the broker is never blocked for
 * long. Added members and workflows that replaced tasks are included.
 */
import type { Engine, JobRef } from '../../broker/broker.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import { noteIgnored } from '../../coordination/tombstones.js';
import { partId } from '../../protocol/ids.js';
import { type ForgetRunning, forgetTask } from '../../results/forget.js';
import { goesOn, groupsIn, leaves, nodeAt, type Plan, ROOT } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { FORGET, replacedField } from './record.js';

/** Most jobs per batch. */
const STEP = 500;
/** How long at least a record stays when the outcome is final and part of the workflow goes on, ms. */
export const GOING_ON_MS = 24 * 3_600_000;

/** A part and where its job is, or would be. */
export interface PartJob {
  readonly path: string;
  readonly ref: JobRef;
}

/** The parts of a plan, callbacks included, in batches. */
export function* partJobs(flow: string, plan: Plan): Generator<PartJob[]> {
  let some: PartJob[] = [];
  for (const [path, { queue }] of leaves(plan.root, ROOT, true)) {
    some.push({ path, ref: { queue, id: partId(flow, path, queue) } });
    if (some.length < STEP) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

/** The workflows that replaced some of the parts. */
export async function replacementsOf(
  engine: Engine,
  flow: string,
  parts: readonly PartJob[],
): Promise<string[]> {
  const [found = []] = await engine.flows.read([
    { flow, fields: parts.map(({ path }) => replacedField(path)) },
  ]);
  return found.filter((inner) => inner !== undefined);
}

/** Most parts of an ignored workflow that are noted individually. */
const MOST_NOTED = 1_000;

/**
 * Notes for the tasks and groups of a part that they leave no result, for waiting callers; parts that never ran are
 * unknown.
 */
export async function noteIgnoredPart(engine: Engine, flow: string, plan: Plan, part: string): Promise<void> {
  const node = nodeAt(plan, part);
  if (node === undefined) return;
  const refs: JobRef[] = [...groupsIn(node, part)].map((at) => ({ queue: '', id: partId(flow, at) }));
  for (const [at, { queue }] of leaves(node, part, true)) refs.push({ queue, id: partId(flow, at, queue) });
  const { replaces } = plan;
  if (part === ROOT && replaces !== undefined) refs.push({ queue: replaces.queue, id: replaces.jobId });
  await Promise.all(refs.slice(-MOST_NOTED).map((ref) => noteIgnored(engine, ref)));
}

/** Drops a workflow: the records of its parts, and its own. */
export class FlowDrop {
  constructor(
    private readonly engine: Engine,
    private readonly jobs: TaskLookup,
    private readonly plans: PlanCache,
    private readonly forgetRunning: ForgetRunning,
  ) {}

  async drop(flow: string): Promise<void> {
    const plan = await this.plans.whole(flow);
    if (plan === undefined) return;
    const { engine, jobs: tasks } = this;
    for (const parts of partJobs(flow, plan)) {
      const replacements = await replacementsOf(engine, flow, parts);
      await Promise.all(parts.map(({ ref }) => forgetTask({ engine, tasks }, ref, this.forgetRunning)));
      for (const inner of replacements) await this.drop(inner);
    }
    if (!goesOn(plan.root)) return engine.flows.remove(flow);
    // Some parts still follow the record; until then it reads as forgotten.
    await engine.flows.write(flow, [{ field: FORGET, value: '1' }]);
    await engine.flows.expire(flow, GOING_ON_MS);
  }
}
