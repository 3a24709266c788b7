/**
 * Checks a workflow that may be stuck. A part that expired where no worker fetches it is ended at its expiry, and a
 * part whose job is gone is failed, so that neither blocks the following parts for ever.
 *
 *   what is found                                   what follows
 *   a job that has not begun and has expired        the part is revoked; a worker that fetches the job later drops it
 *   no job, and no end, at two looks                the part fails; in between, the run that ends the part before sends
 *                                                   it, or has died and does so again
 */

import { CLOSED, type Engine, REVOKED } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { TaskLookup, TaskRecord } from '../../coordination/task-record.js';
import { CeleriacError } from '../../errors.js';
import { partId } from '../../protocol/ids.js';
import { readMessage } from '../../protocol/message.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import { NEVER_STARTED } from '../../results/snapshot.js';
import type { FlowDrop } from './jobs.js';
import { BEGIN_PATH } from './launch.js';
import { plannedRequest } from './part-request.js';
import { idOf, type Leaf, leaves, type Plan, ROOT } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import type { WorkflowProgress } from './progress.js';
import { missingField, replacedField } from './record.js';
import { readFields } from './tidy.js';
import { unfinished, unfinishedFields } from './unfinished.js';
import type { ProgressResult } from './workflow-outcome.js';
import { EXPIRED_AFTER_MS } from './writes.js';

export interface WorkflowCheckupParams {
  readonly engine: Engine;
  /** Reads the jobs of parts, also in lanes. */
  readonly jobs: TaskLookup;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly progress: WorkflowProgress;
  readonly drops: FlowDrop;
  /** How long the sending of a part may take, ms. */
  readonly sentWithinMs: number;
}

/** Most jobs read at a time. */
const BATCH = 500;
const LONGEST_PAUSE_MS = 3_600_000;

export class WorkflowCheckup {
  constructor(private readonly params: WorkflowCheckupParams) {}

  /** @returns when to look again, epoch ms; `undefined` when no more checks are needed */
  async look(flow: string): Promise<number | undefined> {
    const { engine, plans, clock } = this.params;
    const plan = await plans.whole(flow);
    if (plan === undefined) return undefined;
    const before = await readFields(engine, flow, [CLOSED, REVOKED, ...unfinishedFields(plan)]);
    if (before.has(CLOSED) || before.has(REVOKED)) return undefined;
    const parts = unfinished(plan, (field) => before.get(field));
    const jobs = await this.#jobs(flow, parts);
    // Read after the jobs: a part without a job then and without an end now has neither.
    const own = parts.flatMap(([path]) => [path, replacedField(path), missingField(path)]);
    const after = await readFields(engine, flow, own);
    const begins = await this.#begins(flow, plan);
    const now = clock.now();
    let next = now + Math.min(LONGEST_PAUSE_MS, Math.max(this.params.sentWithinMs, (now - plan.sentAt) / 2));
    for (const [i, [path]] of parts.entries()) {
      if (after.has(path) || after.has(replacedField(path))) continue;
      const job = jobs[i];
      const isMissing = job === undefined || job.doneAt !== undefined;
      if (isMissing && begins) continue;
      const at = isMissing
        ? await this.#missing(flow, plan, path, Number(after.get(missingField(path)) ?? now))
        : await this.#expiring(flow, plan, path, job);
      next = Math.min(next, at ?? next);
    }
    return next;
  }

  async #jobs(flow: string, parts: readonly [string, Leaf][]): Promise<(TaskRecord | undefined)[]> {
    const jobs: (TaskRecord | undefined)[] = [];
    for (let at = 0; at < parts.length; at += BATCH) {
      const refs = parts
        .slice(at, at + BATCH)
        .map(([path, { queue }]) => ({ queue, id: partId(flow, path, queue) }));
      jobs.push(...(await this.params.jobs.read(refs)));
    }
    return jobs;
  }

  /** True while our own task that begins a large workflow has not done so. */
  async #begins(flow: string, plan: Plan): Promise<boolean> {
    for (const [, { queue }] of leaves(plan.root, ROOT)) {
      const [job] = await this.params.jobs.read([{ queue, id: partId(flow, BEGIN_PATH, queue) }]);
      return job !== undefined && job.doneAt === undefined;
    }
    return false;
  }

  /** @returns when to look at the part again */
  async #expiring(flow: string, plan: Plan, path: string, job: TaskRecord): Promise<number | undefined> {
    const { expires } = readMessage(job.data);
    if (expires === undefined || job.running || job.deliveries > 0) return undefined;
    const { progress, clock } = this.params;
    if (clock.now() < expires + EXPIRED_AFTER_MS) return expires + EXPIRED_AFTER_MS;
    await this.#settle(flow, await progress.revokePart(flow, plan, path, NEVER_STARTED));
    this.params.engine.signals.notify(job.id);
    return undefined;
  }

  /** @returns when to look at the part again */
  async #missing(flow: string, plan: Plan, path: string, since: number): Promise<number | undefined> {
    const { engine, clock, progress, sentWithinMs } = this.params;
    const now = clock.now();
    if (now < since + sentWithinMs) {
      await engine.flows.write(flow, [{ field: missingField(path), value: `${now}` }]);
      return since + sentWithinMs;
    }
    const [, leaf] = [...leaves(plan.root, ROOT, true)].find(([at]) => at === path) ?? [];
    const id = idOf(flow, path, leaf);
    const name = leaf?.name ?? '';
    const error = encodeFailure(
      new CeleriacError(
        `The part ${name} (${id}) of this workflow is gone: its job was removed from the broker before it had ended.`,
      ),
    );
    const blame = { id, name, error, t: now };
    const request = plannedRequest(flow, plan, path);
    await this.#settle(flow, await progress.fail(flow, plan, path, { blame, request }));
    return undefined;
  }

  async #settle(flow: string, progressed: ProgressResult): Promise<void> {
    if (progressed === 'forgotten') await this.params.drops.drop(flow);
  }
}
