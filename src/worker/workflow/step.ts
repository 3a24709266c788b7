/**
 * A worker's side of workflows: what a part needs before it runs (its input, and permission to run), and what follows
 * from its end. Plain tasks must never come here.
 */

import { type Engine, REVOKED } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { AddedMembers } from '../../canvas/workflow/added-members.js';
import { endEarly } from '../../canvas/workflow/end-early.js';
import { WORKFLOW_ENDED } from '../../canvas/workflow/ended.js';
import type { FlowDrop } from '../../canvas/workflow/jobs.js';
import { BEGIN_PATH } from '../../canvas/workflow/launch.js';
import { requestOf } from '../../canvas/workflow/part-request.js';
import { ancestors, idOf, leaves, nodeAt, type Plan } from '../../canvas/workflow/plan.js';
import type { PlanCache } from '../../canvas/workflow/plan-cache.js';
import type { WorkflowProgress } from '../../canvas/workflow/progress.js';
import type { Ending, FailureCause, Success } from '../../canvas/workflow/record.js';
import { failedField, readEnding, readFailing, revocationIn } from '../../canvas/workflow/record.js';
import type { WorkflowResults } from '../../canvas/workflow/results.js';
import type { WorkflowValues } from '../../canvas/workflow/values.js';
import type { FailedPart, ProgressResult } from '../../canvas/workflow/workflow-outcome.js';
import { firstStarts } from '../../canvas/workflow/writes.js';
import { CeleriacError, TaskRevokedError } from '../../errors.js';
import { partOf } from '../../protocol/ids.js';
import type { FlowInput, Message } from '../../protocol/message.js';
import { encodeFailure } from '../../protocol/wire-error.js';
import { amended, type Delivery, startsOf } from '../../queue/delivery.js';
import { isBrokersFault } from '../../queue/write-answers.js';
import { sleep } from '../../timers.js';
import { type KeepTrailParams, keepTrail } from '../end/keep-trail.js';
import type { Execution, Outcome } from '../run/outcome.js';

export interface WorkflowStepsParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly values: WorkflowValues;
  readonly progress: WorkflowProgress;
  readonly added: AddedMembers;
  readonly results: WorkflowResults;
  readonly drops: FlowDrop;
}

/** Whether a part runs, and with what delivery. */
export type Begun =
  | { readonly kind: 'run'; readonly delivery: Delivery }
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** Delays before the next try while the broker is away, ms: of a delivery, and of a write. */
const AGAIN_MS = 1000;
const TRY_AGAIN_MS = 200;
/** How long an ended part is held while the broker is away, ms; after that the task runs again elsewhere. */
const HOLD_MS = 60_000;

export class WorkflowSteps {
  constructor(
    private readonly params: WorkflowStepsParams,
    private readonly kept: KeepTrailParams,
  ) {}

  /** Checks the workflow before a part runs. Never rejects. */
  async begin(delivery: Delivery): Promise<Begun> {
    try {
      return await this.#begin(delivery);
    } catch (error) {
      // The task that begins a workflow must not fail: no other would begin it.
      const begins = partOf(delivery.jobId)?.path === BEGIN_PATH;
      if (begins || isBrokersFault(error)) return ended({ kind: 'later', delayMs: AGAIN_MS });
      return ended({ kind: 'failure', error });
    }
  }

  /** Advances the workflow after the end of a part; gives what to settle. Never rejects. */
  async finish(delivery: Delivery, execution: Execution): Promise<Execution> {
    // What waits for the workflow finds the trail.
    const kept = keepTrail(this.kept, delivery, execution);
    if (kept !== undefined) await kept;
    return { ...execution, outcome: await this.#advance(delivery, execution.outcome) };
  }

  async #advance(delivery: Delivery, outcome: Outcome): Promise<Outcome> {
    const address = partOf(delivery.jobId);
    const end =
      address === undefined || address.path === BEGIN_PATH
        ? undefined
        : endOf(delivery, outcome, this.params.clock.now());
    if (address === undefined || end === undefined) return outcome;
    const { flow, path } = address;
    try {
      const progressed = await this.#patiently(async () => {
        const known = this.params.plans.upTo(flow, path);
        const plan = known instanceof Promise ? await known : known;
        if (plan === undefined) return 'gone';
        if (startsOf(delivery) > 1) await this.#sendAdded(delivery);
        return this.#write(flow, plan, path, end);
      });
      // The part's own record is dropped with the others, once it is written.
      if (progressed === 'forgotten') delivery.afterwards(() => this.params.drops.drop(flow));
      return typeof progressed === 'object' ? { kind: 'revoked', reason: progressed.revoked } : outcome;
    } catch (error) {
      // Without this write the workflow would wait for ever, so the task is delivered again and the write repeated.
      if (isBrokersFault(error) || outcome.kind === 'failure') return { kind: 'lost' };
      return this.#advance(delivery, { kind: 'failure', error });
    }
  }

  /** Sends again the members that a run which died has added to its group, in case they were not sent. */
  async #sendAdded({ jobId, message }: Delivery): Promise<void> {
    const { plans, added } = this.params;
    const group = partOf(message.flow?.group ?? '');
    const plan = group === undefined ? undefined : await plans.upTo(group.flow, group.path);
    if (group !== undefined && plan !== undefined) await added.sendAgain(group, plan, jobId);
  }

  async #write(flow: string, plan: Plan, path: string, end: End): Promise<ProgressResult> {
    const { progress, results } = this.params;
    switch (end.kind) {
      case 'value':
        return end.ending.e === true
          ? endEarly(this.params, flow, plan, path, end.ending)
          : progress.succeed(flow, plan, path, end.ending);
      case 'failure':
        return progress.fail(flow, plan, path, end.failed);
      case 'ignored':
        return progress.ignore(flow, plan, path, idOf(flow, path, nodeAt(plan, path)));
      case 'replaced': {
        const progressed = await progress.replaced(flow, path, end.by);
        // Revoked meanwhile by a caller that did not see the replacement yet.
        if (typeof progressed === 'object')
          await results.revokeFlow(
            end.by,
            progressed.revoked === undefined ? {} : { reason: progressed.revoked },
          );
        return progressed;
      }
    }
  }

  async #patiently<R>(body: () => Promise<R>): Promise<R> {
    const giveUpAt = performance.now() + HOLD_MS;
    for (;;) {
      try {
        return await body();
      } catch (error) {
        if (!isBrokersFault(error) || performance.now() > giveUpAt) throw error;
        await sleep(TRY_AGAIN_MS);
      }
    }
  }

  async #begin(delivery: Delivery): Promise<Begun> {
    const { engine, plans, values } = this.params;
    const address = partOf(delivery.jobId);
    if (address === undefined) return { kind: 'run', delivery };
    const { flow, path } = address;
    if (path === BEGIN_PATH) return this.#beginWhole(flow);
    const { input } = delivery.message;
    const from = input !== undefined && 'of' in input ? input.of : undefined;
    // A task may have ended the workflow beside this one: in the header of a chord, or in a group of it.
    const around = ancestors(path).map(failedField);
    const beside = around.length > 1 ? around : [];
    const fields = [REVOKED, path, ...beside, ...(from === undefined ? [] : [from])];
    const reading = engine.flows.read([{ flow, fields }]);
    const known = plans.upTo(flow, path);
    // If the plan is unknown, read it at the same time: every path below needs it.
    const [[[revoked, own, ...found] = []], plan] =
      known instanceof Promise ? await Promise.all([reading, known]) : [await reading, known];
    const before = found[beside.length];
    const revocation = revocationIn(revoked);
    if (revocation !== undefined) return ended({ kind: 'revoked', reason: revocation.reason });
    const mine = readEnding(own);
    if (mine !== undefined) return ended(outcomeOf(mine));
    if (found.slice(0, beside.length).some((text) => readFailing(text)?.ended !== undefined))
      return ended({ kind: 'revoked', reason: WORKFLOW_ENDED });
    const links = plan === undefined ? undefined : linksOf(flow, plan, path);
    const linked = links === undefined ? delivery : amended(delivery, { links });
    if (from === undefined) return { kind: 'run', delivery: linked };
    const ending = readEnding(before);
    const value =
      plan === undefined || ending === undefined ? undefined : await values.of(flow, plan, from, ending);
    if (value === undefined) return ended({ kind: 'failure', error: noInput(delivery) });
    return { kind: 'run', delivery: withInput(linked, value) };
  }

  /** Runs our own task that begins a large workflow. */
  async #beginWhole(flow: string): Promise<Begun> {
    const { plans, progress, engine } = this.params;
    const plan = await plans.get(flow);
    const [[revoked] = []] = await engine.flows.read([{ flow, fields: [REVOKED] }]);
    // Also when a part has failed already: the parts beside it begin all the same.
    if (plan !== undefined && revoked === undefined)
      await progress.begin(flow, plan, firstStarts(plan), { input: undefined, parentId: undefined });
    return ended({ kind: 'success', value: undefined, encoded: null });
  }
}

type End =
  | { readonly kind: 'value'; readonly ending: Success }
  | { readonly kind: 'failure'; readonly failed: FailedPart }
  | { readonly kind: 'ignored' }
  | { readonly kind: 'replaced'; readonly by: string };

/** What an outcome means for the workflow; undefined while the task goes on. */
function endOf(delivery: Delivery, outcome: Outcome, now: number): End | undefined {
  switch (outcome.kind) {
    case 'success':
      return { kind: 'value', ending: { s: outcome.encoded, ...(outcome.ends && { e: true as const }) } };
    case 'ignore':
      return { kind: 'ignored' };
    case 'replaced':
      return { kind: 'replaced', by: outcome.flow };
    case 'failure':
      return failure(delivery, now, outcome.wire ?? encodeFailure(outcome.error));
    case 'revoked': {
      const { taskId, name } = delivery;
      const error = new TaskRevokedError({ taskId, taskName: name, reason: outcome.reason });
      return failure(delivery, now, encodeFailure(error), outcome.reason ?? null);
    }
    default:
      return undefined;
  }
}

function failure(delivery: Delivery, now: number, wire: FailureCause['error'], revoked?: string | null): End {
  const { taskId: id, name } = delivery;
  return {
    kind: 'failure',
    failed: {
      blame: { id, name, error: wire, t: now },
      ...(revoked !== undefined && { revoked }),
      request: requestOf(delivery),
    },
  };
}

function ended(outcome: Outcome): Begun {
  return { kind: 'ended', outcome };
}

/** The outcome of a part whose end is already written: it does not run again, only the next steps are repeated. */
function outcomeOf(ending: Ending): Outcome {
  if ('s' in ending)
    return { kind: 'success', value: undefined, encoded: ending.s, ...(ending.e && { ends: true as const }) };
  if ('i' in ending) return { kind: 'ignore' };
  if (!('f' in ending)) return { kind: 'success', value: undefined, encoded: null };
  if (ending.r !== undefined) return { kind: 'revoked', reason: ending.r ?? undefined };
  return { kind: 'failure', error: new Error(ending.f.error.message), wire: ending.f.error };
}

/** What is called with the result of a task: of a workflow, its first task. */
function linksOf(flow: string, plan: Plan, path: string): Delivery['links'] {
  return nodeAt(plan, path)?.links?.flatMap((link, i) => {
    const [first] = leaves(link, `${path}.l${i}`);
    return first === undefined ? [] : [{ id: idOf(flow, first[0], first[1]), name: first[1].name }];
  });
}

function withInput(delivery: Delivery, input: FlowInput): Delivery {
  const message: Message = { ...delivery.message, input };
  return amended(delivery, { message });
}

function noInput({ name, taskId }: Delivery): CeleriacError {
  return new CeleriacError(
    `${name} (${taskId}) is a part of a workflow whose record is no longer kept, so there is no value to begin with.`,
  );
}
