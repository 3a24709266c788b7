/**
 * Tasks that a running task starts within its own workflow: a replacement for itself, and further members of its
 * group. Their ids are derived from the task's own, so that a second run of the task starts nothing twice.
 */

import type { Sender } from '../../calls/sender.js';
import type { Composable } from '../../canvas/typing.js';
import type { AddedMembers } from '../../canvas/workflow/added-members.js';
import { compile } from '../../canvas/workflow/compile.js';
import type { Launcher } from '../../canvas/workflow/launch.js';
import { changedAt, finalOf, type PlanNode, ROOT } from '../../canvas/workflow/plan.js';
import type { PlanCache } from '../../canvas/workflow/plan-cache.js';
import type { WorkflowProgress } from '../../canvas/workflow/progress.js';
import { CeleriacError } from '../../errors.js';
import type { CallbackSignature } from '../../options/tables/call.js';
import { flowFrom, partOf } from '../../protocol/ids.js';
import { type Delivery, startsOf } from '../../queue/delivery.js';
import type { Outcome } from '../run/outcome.js';

/** Thrown by `replace()` to end the task's body. */
export class ReplaceRequest extends Error {
  readonly signature: Composable;

  constructor(signature: CallbackSignature) {
    super('the task is replaced');
    this.signature = signature as Composable;
  }
}

/** Starts replacements and added group members. */
export interface Spawns {
  /**
   * @param waitedFor the names that the task has waited for: what was sent under them is not for its replacement
   * @returns the outcome of the replaced task
   */
  replace(delivery: Delivery, signature: Composable, waitedFor: readonly string[]): Promise<Outcome>;
  /** @throws {CeleriacError} the task is no member of a group */
  addMember(delivery: Delivery, ordinal: number, signature: Composable): Promise<void>;
}

export interface SpawnerParams {
  readonly progress: WorkflowProgress;
  readonly added: AddedMembers;
  readonly launcher: Launcher;
  readonly plans: PlanCache;
  readonly sender: Sender;
  now(): number;
}

export class Spawner implements Spawns {
  constructor(private readonly params: SpawnerParams) {}

  /**
   * Sends the replacement.
   * @returns the replacement's workflow; or `revoked`, with nothing sent, if the task's own workflow is revoked
   */
  async replace(
    delivery: Delivery,
    signature: Composable,
    waitedFor: readonly string[],
  ): Promise<Extract<Outcome, { kind: 'replaced' | 'revoked' }>> {
    const { launcher, progress, sender, now } = this.params;
    const root = await compile(sender, signature, [], {});
    const flow = flowFrom(`${delivery.jobId} ${delivery.retries}`);
    const part = partOf(delivery.jobId);
    // Recorded before the replacement begins: from then on a revoke of the task also finds the replacement.
    const progressed = part === undefined ? 'recorded' : await progress.replaced(part.flow, part.path, flow);
    if (typeof progressed === 'object') return { kind: 'revoked', reason: progressed.revoked };
    const { group, index } = delivery.message.flow ?? {};
    const replaces = {
      jobId: delivery.jobId,
      queue: delivery.ref.queue,
      ...(group !== undefined && { group: { group, ...(index !== undefined && { index }) } }),
    };
    const placed = heir(adopted(root, delivery), delivery, waitedFor);
    await launcher.deliver(flow, { v: 1, root: placed, sentAt: now(), replaces }, 'replacement');
    return { kind: 'replaced', flow };
  }

  /** Adds a member to the group of a running task. */
  async addMember(delivery: Delivery, ordinal: number, signature: Composable): Promise<void> {
    const { plans, added, sender } = this.params;
    const group = partOf(delivery.message.flow?.group ?? '');
    const plan = group === undefined ? undefined : await plans.upTo(group.flow, group.path);
    if (group === undefined || plan === undefined) throw noMember(delivery);
    const node = await compile(sender, signature, [], {});
    const { jobId, retries } = delivery;
    const starts = startsOf(delivery);
    const run = starts > 1 || retries > 0 ? `${jobId} ${starts}` : undefined;
    await added.add(group, plan, { by: `${jobId} ${ordinal}`, node }, run);
  }
}

export function noMember({ name, taskId }: Delivery): CeleriacError {
  return new CeleriacError(
    `${name} (${taskId}) is no member of a group, so addToGroup() has nothing to add to. Call it in a task of a group ` +
      "or of a chord's header.",
  );
}

/** The first tasks of the replacement follow the replaced task's predecessor, not the replaced task itself. */
function adopted(node: PlanNode, delivery: Pick<Delivery, 'taskId' | 'message'>): PlanNode {
  const { taskId, message } = delivery;
  if (node.kind === 'chain') return { ...node, steps: node.steps.map((step) => adopted(step, delivery)) };
  if (node.kind === 'group')
    return { ...node, members: node.members.map((member) => adopted(member, delivery)) };
  if (node.fields.parent !== taskId) return node;
  const { parent: _, ...fields } = node.fields;
  return {
    ...node,
    fields: { ...fields, ...(message.parent !== undefined && { parent: message.parent }) },
  };
}

/** The task that gives the replacement its value takes the replaced task's id, and gets what was sent to it. */
function heir(
  root: PlanNode,
  { taskId: id, ref, message }: Delivery,
  waitedFor: readonly string[],
): PlanNode {
  const path = finalOf(root, ROOT).split('.').slice(1);
  const used = waitedFor.length > 0 ? { used: waitedFor } : {};
  // What it inherited itself and waited for is used up as well.
  const before = (message.heirOf ?? []).map((one) => ({
    ...one,
    ...(waitedFor.length > 0 && { used: [...new Set([...(one.used ?? []), ...waitedFor])] }),
  }));
  const heirOf = [...before, { queue: ref.queue, id: ref.id, ...used }];
  return changedAt(root, path, (node) =>
    node.kind === 'task' ? { ...node, id, fields: { ...node.fields, heirOf } } : node,
  );
}
