/**
 * What a running task may start that belongs to its own workflow: a replacement for itself, and further members of its
 * group. Both have ids that follow from the task's own, so that a second run of the task starts nothing twice.
 */
import { createHash } from 'node:crypto';
import type { Delivery } from '../broker/delivery.js';
import { partOf } from '../broker/ids.js';
import { compile } from '../canvas/compile.js';
import type { Composable } from '../canvas/fits.js';
import type { FlowProgress } from '../canvas/flow-progress.js';
import type { Launcher } from '../canvas/launch.js';
import { finalOf, nodeAt, type PlanNode, ROOT } from '../canvas/plan.js';
import type { Plans } from '../canvas/plans.js';
import type { Sender } from '../canvas/sender.js';
import { CeleriacError } from '../errors.js';
import type { CallbackSignature } from '../options/call-options.js';

/** Thrown by `replace()`: nothing after it runs. */
export class ReplaceRequest extends Error {
  readonly signature: Composable;

  constructor(signature: CallbackSignature) {
    super('the task is replaced');
    this.signature = signature as Composable;
  }
}

export interface SpawningParams {
  readonly progress: FlowProgress;
  readonly launcher: Launcher;
  readonly plans: Plans;
  readonly sender: () => Sender;
  now(): number;
}

export class Spawning {
  constructor(private readonly params: SpawningParams) {}

  /** Sends what takes the task's place; gives the id of the workflow it is. */
  async replace(delivery: Delivery, signature: Composable): Promise<string> {
    const { launcher, sender, now } = this.params;
    const root = await compile(sender(), signature, [], {});
    const flow = flowOf(`${delivery.jobId} ${delivery.retries}`);
    const replaces = { jobId: delivery.jobId, queue: delivery.ref.queue };
    await launcher.deliver(
      flow,
      { v: 1, root: named(root, delivery.taskId), sentAt: now(), replaces },
      false,
    );
    return flow;
  }

  /** Adds a member to the group of a running task. */
  async addMember(delivery: Delivery, ordinal: number, signature: Composable): Promise<void> {
    const { plans, progress, sender } = this.params;
    const group = partOf(delivery.message.flow?.group ?? '');
    const plan = group === undefined ? undefined : await plans.upTo(group.flow, group.path);
    if (group === undefined || plan === undefined) {
      throw new CeleriacError(
        `${delivery.name} (${delivery.taskId}) is no member of a group, so addToGroup() has nothing to add to. Call it in ` +
          "a task of a group or of a chord's header.",
      );
    }
    const node = await compile(sender(), signature, [], {});
    await progress.addMember(group.flow, plan, group.path, { by: `${delivery.jobId} ${ordinal}`, node });
  }
}

/** The task that gives the replacement its value goes by the replaced one's id. */
function named(root: PlanNode, taskId: string): PlanNode {
  const final = finalOf(root, ROOT);
  if (nodeAt({ v: 1, root, sentAt: 0 }, final)?.kind !== 'task') return root;
  return withId(root, final.split('.').slice(1).map(Number), taskId);
}

function withId(node: PlanNode, [step, ...rest]: readonly number[], id: string): PlanNode {
  if (node.kind === 'task') return { ...node, id };
  if (node.kind !== 'chain') return node;
  return { ...node, steps: node.steps.map((inner, i) => (i === step ? withId(inner, rest, id) : inner)) };
}

/** An id of a workflow that follows from a text. */
function flowOf(text: string): string {
  const digest = BigInt(`0x${createHash('sha256').update(text).digest('hex')}`).toString(36);
  return `${digest.slice(0, 12)}-${digest.slice(12, 18)}`;
}
