/**
 * Writes an early end: a task ends its workflow with its own value (`this.endWorkflow()`). As with any end, all of it may
 * be repeated after a crash, and then changes nothing.
 */
import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { flowTopic } from '../../protocol/ids.js';
import { beginLinks } from './begin-callbacks.js';
import { afterEnded, endedBy } from './ended.js';
import { groupOf, idOf, nodeAt, type Plan, starts } from './plan.js';
import { revocationIn, type Success } from './record.js';
import type { PartSteps, ProgressResult } from './workflow-outcome.js';
import { inputFor, isOurs } from './writes.js';

export interface EndEarlyParams {
  readonly engine: Pick<Engine, 'flows' | 'signals'>;
  readonly clock: Pick<BrokerClock, 'now'>;
  readonly progress: PartSteps;
}

/** Records that a task succeeded and ends its workflow, and begins what follows. */
export async function endEarly(
  { engine, clock, progress }: EndEarlyParams,
  flow: string,
  plan: Plan,
  path: string,
  ending: Success,
): Promise<ProgressResult> {
  const part = endedBy(plan, path);
  if (part === undefined) return progress.succeed(flow, plan, path, ending);
  const parentId = idOf(flow, path, nodeAt(plan, path));
  const cause = { id: parentId, name: '', error: NO_ERROR, t: clock.now() };
  const { writes, claim, inside, counted, advance } = afterEnded(plan, path, part, ending, cause);
  const written = await engine.flows.write(flow, writes);
  if (written === undefined) return 'gone';
  const revoked = revocationIn(written.revoked);
  if (revoked !== undefined) {
    await progress.close(flow, plan, revoked.reason);
    return { revoked: revoked.reason };
  }
  const value = { value: ending.s };
  // Where another task had ended or failed the part before, this one has only succeeded.
  const isFirst = isOurs(written, claim, path);
  for (const at of isFirst ? inside : [path])
    await beginLinks(progress, flow, plan, { path: at, from: path }, { value, parentId });
  for (const { group, size, write } of counted)
    await progress.endedMember(flow, plan, { group, size, write }, written);
  if (!isFirst) return 'recorded';
  engine.signals.notify(flowTopic(flow));
  const { ended, next } = advance;
  let progressed: ProgressResult = 'recorded';
  if (next.kind === 'step') {
    const begun = starts(next.node, next.path, groupOf(plan, next.path));
    const input = inputFor(begun, value, next.from);
    progressed = await progress.begin(flow, plan, begun, { input, parentId });
  }
  for (const each of ended) await beginLinks(progress, flow, plan, each, { value, parentId });
  const full = await progress.afterwards(flow, plan, next, { written, progressed, early: true });
  if (typeof full === 'string' || !('group' in full)) return full;
  return progress.succeed(flow, plan, full.group, { g: full.size }, parentId);
}

/** An internal mark that never reaches a reader. */
const NO_ERROR = { name: 'WorkflowEnded', message: '' };
