/**
 * What a purge means for a workflow: a dropped part counts as revoked. The workflow records that before the part's
 * job ends, as with a worker.
 */
import type { BrokerClock } from '../../broker/clock.js';
import { partId, partOf } from '../../protocol/ids.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import type { EndedUnstarted } from '../../results/purge.js';
import type { FlowDrop } from './jobs.js';
import { BEGIN_PATH } from './launch.js';
import { requestOf } from './part-request.js';
import { ROOT } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import type { WorkflowProgress } from './progress.js';
import type { WorkflowResults } from './results.js';

export interface PurgedPartParams {
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly progress: WorkflowProgress;
  readonly drops: FlowDrop;
  readonly results: WorkflowResults;
}

export async function recordPurged(flows: PurgedPartParams, ended: EndedUnstarted): Promise<void> {
  const { job, queue, message, taskId, reason, error } = ended;
  const address = partOf(job.id);
  if (address === undefined) return;
  const { flow, path } = address;
  if (path === BEGIN_PATH) {
    // Our own task that begins a large workflow: without it no part would ever run.
    await flows.results.revoke({ queue, id: partId(flow, ROOT) }, { reason });
    return;
  }
  const plan = await flows.plans.upTo(flow, path);
  if (plan === undefined) return;
  const { name, sentAt } = job;
  const place = { queue: queueOfLane(queue), priority: Number(job.opts.priority ?? 0) };
  const progressed = await flows.progress.fail(flow, plan, path, {
    blame: { id: taskId, name, error: encodeFailure(error), t: flows.clock.now() },
    revoked: reason,
    request: requestOf({ taskId, name, message, sentAt, ...place, retries: 0, deliveries: 0 }),
  });
  if (progressed === 'forgotten') await flows.drops.drop(flow);
}
