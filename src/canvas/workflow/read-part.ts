/**
 * Reads parts of workflows for readers of tasks. A part without a job (yet, or any more) is read from its workflow's
 * record, and so is a part of a failed or revoked workflow.
 */

import type { Engine, JobRef } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { PartReading, PartRef, TaskRecord, WorkflowParts } from '../../coordination/task-record.js';
import { TaskRevokedError } from '../../errors.js';
import { partId } from '../../protocol/ids.js';
import { packRevocation, packStack, readMessage, writeMessage } from '../../protocol/message.js';
import { encodeFailure, type WireError } from '../../protocol/wire-error.js';
import { ranWhenRevoked } from '../../results/snapshot.js';
import { isReplaced } from '../../results/task-reader.js';
import { WORKFLOW_ENDED } from './ended.js';
import { progressBefore } from './part-progress.js';
import {
  type JobStage,
  type PartRecord,
  type PartState,
  partState,
  readRecord,
  recordFields,
} from './part-state.js';
import { finalOf, idOf, leavesNoResult, nodeAt, type Plan, ROOT } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { type Ending, type Failing, type FlowRevocation, readEnding } from './record.js';
import { encodedInput, type WorkflowValues } from './values.js';

export interface PartsParams {
  readonly engine: Pick<Engine, 'flows'>;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly values: WorkflowValues;
}

/** The parts of workflows as recorded. */
export class RecordedParts implements WorkflowParts {
  constructor(private readonly params: PartsParams) {}

  async read(parts: readonly PartRef[]): Promise<PartReading[]> {
    const wanted = parts.map(({ address }) => ({ flow: address.flow, fields: recordFields(address.path) }));
    const fields = await this.params.engine.flows.read(wanted);
    return parts.map((part, i) => (job) => readPart(this.params, part, job, fields[i] ?? []));
  }

  async finalOf(flow: string): Promise<JobRef | undefined> {
    const plan = await this.params.plans.get(flow);
    if (plan === undefined) return undefined;
    const path = finalOf(plan.root, ROOT);
    const node = nodeAt(plan, path);
    const queue = node?.kind === 'task' ? node.queue : undefined;
    return { queue: queue ?? '', id: partId(flow, path, queue) };
  }
}

async function readPart(
  params: PartsParams,
  { ref, address: { flow, path } }: PartRef,
  job: TaskRecord | undefined,
  fields: readonly (string | undefined)[],
): Promise<TaskRecord | undefined> {
  const record = readRecord(path, fields, params.clock.now());
  const state = partState(jobStage(job, path, record), record);
  if (state.kind === 'job') return job;
  if (state.kind === 'gone') return undefined;
  const plan = await params.plans.upTo(flow, path);
  if (plan === undefined) return job;
  const base = job === undefined ? blankPart(ref, flow, path, plan) : asPart(job);
  if (base === undefined) return undefined;
  switch (state.kind) {
    case 'ended':
      // A result that is not stored is kept only until the workflow is over. By then the job of a success, if still
      // there, is about to go; that of a failure may stay.
      if (state.over && isIgnored(plan, path) && (job === undefined || 's' in state.ending)) return undefined;
      return endedPart(params, base, { flow, path, plan, ending: state.ending });
    case 'failed':
      return failedPart(base, state.failing, state.body);
    case 'revoked':
      return revokedPart(base, ref.id, state.revocation);
    case 'skipped':
      return skippedPart(params, { ref, flow, path, plan, base }, state);
    case 'waiting':
      return { ...base, progress: await progressBefore(params.engine, flow, path, plan) };
  }
}

/** The stage of a part's job. */
function jobStage(job: TaskRecord | undefined, path: string, { revocation }: PartRecord): JobStage {
  if (job === undefined) return 'none';
  if (job.doneAt !== undefined) return isReplaced(job) ? 'replaced' : 'done';
  if (!job.running) return 'sent';
  if (revocation === undefined || revocation.running.get(path) === job.deliveries) return 'running';
  // A worker that fetches a part of a revoked workflow discards it, unless it was fetched just before.
  return ranWhenRevoked(job, readMessage(job.data)) ? 'running' : 'sent';
}

function isIgnored(plan: Plan, path: string): boolean {
  const node = nodeAt(plan, path);
  return node !== undefined && leavesNoResult(node);
}

function asPart(job: TaskRecord): TaskRecord {
  return { ...job, kind: 'part' };
}

/** A part whose turn has not come. */
function blankPart(ref: JobRef, flow: string, path: string, plan: Plan): TaskRecord | undefined {
  const node = nodeAt(plan, path);
  if (node === undefined) return undefined;
  const leaf = node.kind === 'task' ? node : undefined;
  return {
    kind: 'part',
    id: ref.id,
    queue: leaf?.queue ?? ref.queue,
    name: leaf?.name ?? `celeriac.${node.kind}`,
    data: writeMessage(JSON.stringify(leaf?.args ?? []), {
      ...leaf?.fields,
      ...(leavesNoResult(node) && { ignore: true as const }),
      ...(leaf?.expiresAt !== undefined && { expires: leaf.expiresAt }),
      ...(leaf?.id !== undefined && { id: idOf(flow, path, node) }),
      flow: {},
    }),
    progress: undefined,
    returnvalue: undefined,
    failedReason: undefined,
    stack: undefined,
    priority: leaf?.priority ?? 0,
    sentAt: plan.sentAt,
    delayMs: 0,
    startedAt: undefined,
    doneAt: undefined,
    retries: 0,
    deliveries: 0,
    running: false,
    worker: undefined,
  };
}

interface EndedPart {
  readonly flow: string;
  readonly path: string;
  readonly plan: Plan;
  readonly ending: Ending;
}

async function endedPart(params: PartsParams, job: TaskRecord, part: EndedPart): Promise<TaskRecord> {
  const { ending, flow, plan, path } = part;
  if ('f' in ending) {
    const { f, r } = ending;
    return { ...job, ...(r === undefined ? failure(f.error, f.t) : revocation(f.error, f.t)) };
  }
  if ('x' in ending) {
    const { ending: inner } = { ending: await endingAt(params, flow, ending.x) };
    return inner !== undefined && 'f' in inner
      ? {
          ...job,
          ...failure(inner.f.error, inner.f.t),
          blame: { taskId: inner.f.id, taskName: inner.f.name },
        }
      : job;
  }
  const input = await params.values.of(flow, plan, path, ending);
  if (input === undefined) return job;
  const returnvalue = JSON.stringify(encodedInput(input));
  return { ...job, running: false, returnvalue, doneAt: job.startedAt ?? job.sentAt };
}

interface SkippedPart {
  readonly ref: JobRef;
  readonly flow: string;
  readonly path: string;
  readonly plan: Plan;
  readonly base: TaskRecord;
}

/** A part after an early end: the one that gives the ended part its value reads as that, the others as revoked. */
async function skippedPart(
  params: PartsParams,
  { ref, flow, path, plan, base }: SkippedPart,
  { ended, over }: Extract<PartState, { kind: 'skipped' }>,
): Promise<TaskRecord | undefined> {
  const node = nodeAt(plan, ended.part);
  if (node === undefined || finalOf(node, ended.part) !== path)
    return revokedPart(base, ref.id, { reason: WORKFLOW_ENDED, at: ended.at, running: new Map() });
  if (over && isIgnored(plan, path)) return undefined;
  const job = await endedPart(params, base, { flow, path, plan, ending: { at: ended.by } });
  return { ...job, doneAt: ended.at };
}

async function endingAt(params: PartsParams, flow: string, path: string): Promise<Ending | undefined> {
  const [[text] = []] = await params.engine.flows.read([{ flow, fields: [path] }]);
  return readEnding(text);
}

function failedPart(job: TaskRecord, { f }: Pick<Failing, 'f'>, body: boolean): TaskRecord {
  const error = body ? chordError(f.id, f.name, f.error) : f.error;
  return { ...job, ...failure(error, f.t), blame: { taskId: f.id, taskName: f.name } };
}

function chordError(id: string, name: string, cause: WireError): WireError {
  return {
    name: 'ChordError',
    ours: true,
    code: 'CHORD',
    message: `The member ${name} (${id}) of the chord's header failed: ${cause.name}: ${cause.message}`,
    cause,
  };
}

function revokedPart(job: TaskRecord, taskId: string, { reason, at }: FlowRevocation): TaskRecord {
  const error = new TaskRevokedError({ taskId, taskName: job.name, reason });
  // A job with an earlier attempt has begun; a delivery that only ends the task is no beginning.
  const began = job.retries > 0 ? undefined : NOT_BEGUN;
  return { ...job, ...began, ...revocation(encodeFailure(error), at ?? job.sentAt) };
}

/** As {@link failure}, for a part that was revoked itself. */
function revocation(wire: WireError, doneAt: number) {
  const stack = packRevocation(wire.stack ?? '', { ...wire, stack: undefined });
  return { ...failure(wire, doneAt), stack };
}

const NOT_BEGUN = { startedAt: undefined, worker: undefined };

function failure(wire: WireError, doneAt: number) {
  return {
    running: false,
    returnvalue: undefined,
    failedReason: `${wire.name}: ${wire.message}`,
    stack: packStack(wire.stack ?? '', { ...wire, stack: undefined }),
    doneAt,
  };
}
