/**
 * Advances a workflow: writes which parts have ended and sends the next ones. Every step must be done before the task
 * that leads to it is settled, under ids derived from the plan, so that repeating it after a crash changes nothing.
 *
 *   write                                   a crash after it
 *   1 how the part ended, and with it the   the task is delivered again, finds its end written, does not run,
 *     parts it is the last of; counters       and goes on with 2
 *   2 the jobs of what comes next           the same jobs are added again under the same ids: nothing changes
 *   3 the record's time to live, notices    the same
 *   4 the task's own record (`settle`)      nothing is left to do
 */

import type { Engine, WorkflowWritten } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { TaskIdIndex } from '../../coordination/task-id-index.js';
import { TaskRevokedError } from '../../errors.js';
import { flowTopic, partOf } from '../../protocol/ids.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import type { Producer } from '../../queue/producer.js';
import { encodeResult } from '../../tasks/serializer.js';
import { afterFailure, afterSuccess, isFull, type Next } from './advance.js';
import { beginErrbacks, beginLinks } from './begin-callbacks.js';
import { endEarly } from './end-early.js';
import { WORKFLOW_ENDED } from './ended.js';
import { afterIgnored } from './ignored.js';
import { type FlowDrop, GOING_ON_MS } from './jobs.js';
import { envelopeOf } from './part-message.js';
import { plannedRequest } from './part-request.js';
import {
  customIds,
  finalOf,
  goesOn,
  groupOf,
  hasGroups,
  idOf,
  nodeAt,
  type Plan,
  placeOf,
  ROOT,
  type Start,
  starts,
} from './plan.js';
import type { PlanCache } from './plan-cache.js';
import {
  CLOSE,
  countField,
  type Ending,
  type FailureCause,
  failedField,
  readFailing,
  replacedField,
  revocationIn,
  UNTIL,
} from './record.js';
import type { WorkflowTidy } from './tidy.js';
import { encodedInput, type WorkflowValues } from './values.js';
import type {
  FailedPart,
  PartSteps,
  ProgressInput,
  ProgressResult,
  WorkflowOutcome,
  WrittenSuccess,
} from './workflow-outcome.js';
import { expiryOf, inputFor, isForgotten, isOurs } from './writes.js';

export interface WorkflowProgressParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly producer: Producer;
  readonly plans: PlanCache;
  readonly values: WorkflowValues;
  readonly drops: FlowDrop;
  readonly tidy: WorkflowTidy;
  readonly index: TaskIdIndex;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  /** Notifies callers that wait for a part, or for a part after it, that it leaves no result. */
  noteIgnored(flow: string, plan: Plan, part: string): Promise<void>;
}

export class WorkflowProgress implements PartSteps {
  constructor(private readonly params: WorkflowProgressParams) {}

  /**
   * Records that a part succeeded, and begins the next ones.
   * @param parentId the parent task of the parts that follow
   * @param without the links of this part are not called
   */
  async succeed(
    flow: string,
    plan: Plan,
    path: string,
    ending: Ending,
    parentId: string | undefined = idOf(flow, path, nodeAt(plan, path)),
    without?: string,
  ): Promise<ProgressResult> {
    const { engine } = this.params;
    let at = path;
    let current = ending;
    for (;;) {
      const { writes, ended, next } = afterSuccess(plan, at, current);
      const value = 's' in current ? { value: current.s } : undefined;
      const ends = 's' in current && current.e === true;
      const begun = next.kind === 'step' ? starts(next.node, next.path, groupOf(plan, next.path)) : [];
      const input = next.kind === 'step' ? inputFor(begun, value, next.from) : undefined;
      // A step that carries its value reads the record only to see whether it may run, so it may be sent while the
      // record is written. A step that reads its value from the record must be sent after the write.
      const carried = input !== undefined && 'value' in input;
      const early = carried ? this.begin(flow, plan, begun, { input, parentId }) : undefined;
      const writing = engine.flows.write(flow, writes);
      const [written, recordedEarly] =
        early === undefined ? [await writing] : await Promise.all([writing, early]);
      if (written === undefined) return 'gone';
      const revoked = revocationIn(written.revoked);
      if (revoked !== undefined) {
        await this.close(flow, plan, revoked.reason);
        return at === path ? { revoked: revoked.reason } : 'recorded';
      }
      let progressed = recordedEarly ?? 'recorded';
      if (recordedEarly === undefined && begun.length > 0)
        progressed = await this.begin(flow, plan, begun, { input, parentId });
      for (const part of ended)
        if (part.path !== without) await beginLinks(this, flow, plan, part, { value, parentId });
      const full = await this.afterwards(flow, plan, next, { written, progressed, ends });
      if (typeof full === 'string' || !('group' in full)) return full;
      at = full.group;
      current = { g: full.size };
    }
  }

  /**
   * Ends what is over by a written success: the whole, or a group whose last member it is.
   * @returns that group, of which the caller records the end
   */
  async afterwards(
    flow: string,
    plan: Plan,
    next: Next,
    { written, progressed, early, ends }: WrittenSuccess,
  ): Promise<ProgressResult | { readonly group: string; readonly size: number }> {
    const { engine, tidy } = this.params;
    if (next.kind === 'whole')
      return this.#over(flow, plan, { kind: 'value', early, ends }, isForgotten(written, next.write));
    if (next.kind === 'callback') await tidy.settle(flow);
    if (next.kind !== 'member') return progressed;
    const row = written.rows[next.write];
    if (row === undefined || !isFull(next, row.count, row.extra)) return 'recorded';
    const failed = await this.#fullWithFailures(flow, plan, next.group);
    if (failed !== undefined) return failed;
    engine.signals.notify(flowTopic(flow, next.group));
    return { group: next.group, size: row.count };
  }

  /** Records that a part failed for good, or was revoked. */
  async fail(flow: string, plan: Plan, path: string, failed: FailedPart): Promise<ProgressResult> {
    const { engine } = this.params;
    const { blame, revoked } = failed;
    const ending: Ending = { f: blame, ...(revoked !== undefined && { r: revoked }) };
    const fall = afterFailure(plan, path, blame, ending);
    const written = await engine.flows.write(flow, fall.writes);
    if (written === undefined) return 'gone';
    const revocation = revocationIn(written.revoked);
    if (revocation !== undefined) {
      await this.close(flow, plan, revocation.reason);
      return { revoked: revocation.reason };
    }
    const carriers = [path];
    for (const { path: around, write, body } of fall.failed) {
      if (!isOurs(written, write, path)) break;
      carriers.push(around, ...(body === undefined ? [] : [body]));
    }
    if (revoked !== WORKFLOW_ENDED) await beginErrbacks(this, flow, plan, carriers, failed);
    engine.signals.notify(flowTopic(flow));
    let progressed: ProgressResult = 'recorded';
    for (const member of fall.counted)
      progressed = (await this.endedMember(flow, plan, member, written)) ?? progressed;
    const { closes } = fall;
    if (closes === undefined) await this.params.tidy.settle(flow);
    const last = fall.failed.at(-1);
    if (closes === undefined || (last !== undefined && !isOurs(written, last.write, path))) return progressed;
    return this.#over(flow, plan, { kind: 'failure', failed }, isForgotten(written, closes));
  }

  /** Records that a task was ignored. */
  async ignore(flow: string, plan: Plan, path: string, taskId: string): Promise<ProgressResult> {
    const { engine, clock } = this.params;
    const { part, isMember } = afterIgnored(plan, path);
    const blame: FailureCause = { id: taskId, name: '', error: IGNORED, t: clock.now() };
    const fall = afterFailure(plan, path, blame, { i: true }, part);
    // If a member of a group ends this way, the next write counts it for the group.
    const inside = isMember ? fall.writes.filter(({ field }) => field !== part) : fall.writes;
    if (inside.length > 0) {
      const written = await engine.flows.write(flow, inside);
      if (written === undefined) return 'gone';
      const revocation = revocationIn(written.revoked);
      if (revocation !== undefined) {
        await this.close(flow, plan, revocation.reason);
        return { revoked: revocation.reason };
      }
      const last = fall.failed.at(-1);
      const ours = last === undefined || isMember || isOurs(written, last.write, path);
      if (!isMember && !ours) return 'recorded';
      if (!isMember) {
        await this.params.noteIgnored(flow, plan, part);
        engine.signals.notify(flowTopic(flow));
        if (fall.closes === undefined) return 'recorded';
        return this.#over(flow, plan, { kind: 'ignored' }, isForgotten(written, fall.closes));
      }
    }
    await this.params.noteIgnored(flow, plan, part);
    return this.succeed(flow, plan, part, { s: encodeResult(undefined) }, taskId, part);
  }

  /** Records that another workflow replaces a task: it is then revoked together with this one. */
  async replaced(flow: string, path: string, inner: string): Promise<ProgressResult> {
    const written = await this.params.engine.flows.write(flow, [
      { field: replacedField(path), value: inner },
    ]);
    const revocation = revocationIn(written?.revoked);
    return revocation === undefined ? 'recorded' : { revoked: revocation.reason };
  }

  /** A part of a revoked workflow has ended: lets the record expire, and ends the task that the workflow replaces. */
  async close(flow: string, plan: Plan, reason: string | undefined): Promise<void> {
    const { engine, failureExpiresMs } = this.params;
    await engine.flows.expire(flow, Math.max(1, failureExpiresMs));
    if (plan.replaces === undefined) return;
    await this.#endReplacedTask(flow, plan, plan.replaces.jobId, { kind: 'revoked', reason });
    engine.signals.notify(plan.replaces.jobId);
  }

  /** Sends these parts; a group without members ends at once. */
  async begin(
    flow: string,
    plan: Plan,
    begun: readonly Start[],
    given: ProgressInput = NOTHING_GIVEN,
  ): Promise<ProgressResult> {
    const { producer, clock } = this.params;
    const now = clock.now();
    const expiring = expiryOf(begun, now);
    if (expiring !== undefined) await this.params.engine.flows.watch(flow, expiring, true);
    const progressed = await Promise.all(
      begun.map((start) =>
        start.kind === 'empty'
          ? this.succeed(flow, plan, start.path, { g: 0 }, given.parentId)
          : producer.send(envelopeOf(flow, plan, start, { ...given, now })),
      ),
    );
    return progressed.includes('forgotten') ? 'forgotten' : 'recorded';
  }

  /** A member ended that its group was counting: if it was the last one of a failed group, that is over. */
  async endedMember(
    flow: string,
    plan: Plan,
    { group, size, write }: { readonly group: string; readonly size: number; readonly write: number },
    written: WorkflowWritten,
  ): Promise<ProgressResult | undefined> {
    const row = written.rows[write];
    if (row === undefined || !isFull({ size }, row.count, row.extra)) return undefined;
    return this.#fullWithFailures(flow, plan, group);
  }

  /** Handles a group whose members have all ended. If one failed, nothing follows; `undefined` if none did. */
  async #fullWithFailures(flow: string, plan: Plan, group: string): Promise<ProgressResult | undefined> {
    const { engine } = this.params;
    const [[text] = []] = await engine.flows.read([{ flow, fields: [failedField(group)] }]);
    const failing = readFailing(text);
    if (failing === undefined) return undefined;
    engine.signals.notify(flowTopic(flow, group));
    if (group !== ROOT) await this.params.tidy.settle(flow);
    if (group === ROOT) {
      const written = await engine.flows.write(flow, [CLOSE]);
      if (written === undefined) return 'gone';
      const revoked = revocationIn(written.revoked);
      if (revoked !== undefined) {
        await this.close(flow, plan, revoked.reason);
        return 'recorded';
      }
      const failed = { blame: failing.f, request: plannedRequest(flow, plan, failing.at) };
      return this.#over(flow, plan, { kind: 'failure', failed }, isForgotten(written, 0));
    }
    const place = placeOf(group);
    const around = place === undefined ? undefined : nodeAt(plan, place.parent);
    if (place === undefined || around?.kind !== 'group') return 'recorded';
    const counter = countField(place.parent);
    const written = await engine.flows.write(flow, [
      { field: group, value: JSON.stringify({ x: failing.at } satisfies Ending), counter },
    ]);
    const row = written?.rows[0];
    if (row === undefined || !isFull({ size: around.members.length }, row.count, row.extra))
      return 'recorded';
    return this.#fullWithFailures(flow, plan, place.parent);
  }

  /** Ends the workflow: lets its record expire, and notifies waiting callers. */
  async #over(
    flow: string,
    plan: Plan,
    outcome: WorkflowOutcome,
    forgotten: boolean,
  ): Promise<ProgressResult> {
    const { engine, index, resultExpiresMs, failureExpiresMs } = this.params;
    if (plan.replaces !== undefined) await this.#endReplacedTask(flow, plan, plan.replaces.jobId, outcome);
    const keptMs = Math.max(1, outcome.kind === 'value' ? resultExpiresMs : failureExpiresMs);
    const early = outcome.kind !== 'value' || outcome.early === true;
    await this.#expire(flow, keptMs, goesOn(plan.root) || (early && hasGroups(plan.root)));
    const own = idOf(flow, finalOf(plan.root, ROOT), nodeAt(plan, finalOf(plan.root, ROOT)));
    engine.signals.notify(flowTopic(flow));
    if (plan.replaces !== undefined) engine.signals.notify(plan.replaces.jobId);
    await engine.flows.unwatch(flow);
    // The id taken over from a replaced task expires with that task.
    const ids = customIds(flow, plan.root, ROOT).map(({ id }) => id);
    await index.expireAll(plan.replaces === undefined ? ids : ids.filter((id) => id !== own), keptMs);
    return forgotten ? 'forgotten' : 'recorded';
  }

  /** Lets the record expire with the results. If part of the workflow goes on, it stays longer, and reads as gone. */
  async #expire(flow: string, keptMs: number, going: boolean): Promise<void> {
    const { engine, clock } = this.params;
    if (!going || keptMs >= GOING_ON_MS) return engine.flows.expire(flow, keptMs);
    await engine.flows.write(flow, [{ field: UNTIL, value: `${clock.now() + keptMs}` }]);
    await engine.flows.expire(flow, GOING_ON_MS);
    await this.params.tidy.settle(flow);
  }

  /** Ends the task that this workflow replaces, in that task's own workflow. */
  async #endReplacedTask(flow: string, plan: Plan, jobId: string, outcome: WorkflowOutcome): Promise<void> {
    const { plans, drops } = this.params;
    const part = partOf(jobId);
    const around = part === undefined ? undefined : await plans.upTo(part.flow, part.path);
    if (part === undefined || around === undefined) return;
    const progressed = await this.#endReplaced(flow, plan, part, around, outcome);
    if (progressed === 'forgotten') await drops.drop(part.flow);
  }

  async #endReplaced(
    flow: string,
    plan: Plan,
    replaced: { readonly flow: string; readonly path: string },
    around: Plan,
    outcome: WorkflowOutcome,
  ): Promise<ProgressResult> {
    const { flow: at, path } = replaced;
    switch (outcome.kind) {
      case 'value': {
        const s = await this.#valueOf(flow, plan);
        if (outcome.ends)
          return endEarly({ ...this.params, progress: this }, at, around, path, { s, e: true });
        return this.succeed(at, around, path, { s });
      }
      case 'failure':
        return this.fail(at, around, path, outcome.failed);
      case 'ignored':
        return this.ignore(at, around, path, idOf(at, path, nodeAt(around, path)));
      case 'revoked':
        return this.revokePart(at, around, path, outcome.reason);
    }
  }

  /** Ends a part as revoked that has not run here. */
  revokePart(flow: string, plan: Plan, path: string, reason: string | undefined): Promise<ProgressResult> {
    const node = nodeAt(plan, path);
    const taskId = idOf(flow, path, node);
    const name = node?.kind === 'task' ? node.name : '';
    const error = encodeFailure(new TaskRevokedError({ taskId, taskName: name, reason }));
    return this.fail(flow, plan, path, {
      blame: { id: taskId, name, error, t: this.params.clock.now() },
      revoked: reason ?? null,
      request: plannedRequest(flow, plan, path),
    });
  }

  async #valueOf(flow: string, plan: Plan): Promise<unknown> {
    const input = await this.params.values.read(flow, plan, ROOT);
    return input === undefined ? encodeResult(undefined) : encodedInput(input);
  }
}

/** An internal error that never reaches a reader. */
const IGNORED = { name: 'Ignore', message: '' };
const NOTHING_GIVEN: ProgressInput = { input: undefined, parentId: undefined };
