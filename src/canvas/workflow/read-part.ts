/**
 * Reading parts of workflows: the engine as everybody but the runner should see it. A part that has no job (yet, or any
 * more) is read from its workflow's record, and so is one whose workflow has failed or was revoked: whoever reads jobs
 * gets a job that says so. Ids that are no parts pass through at no cost.
 */

import type { Engine, JobRef, Notices, StoredJob } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import { passingOn } from '../../broker/pass-on.js';
import { TaskRevokedError } from '../../errors.js';
import { flowTopic, type PartAddress, partId, partOf } from '../../protocol/ids.js';
import {
  packRevocation,
  packStack,
  readMessage,
  replacementIn,
  writeMessage,
} from '../../protocol/message.js';
import { encodeFailure, type WireError } from '../../protocol/wire-error.js';
import { ranWhenRevoked } from '../../results/snapshot.js';
import { progressBefore } from './part-progress.js';
import { type JobStage, type PartRecord, partState, readRecord, recordFields } from './part-state.js';
import { finalOf, idOf, leavesNoResult, nodeAt, type Plan, ROOT } from './plan.js';
import type { PlanCache } from './plan-cache.js';
import { type Ending, type Failing, type FlowRevocation, readEnding } from './record.js';
import { encodedInput, type WorkflowValues } from './values.js';

export interface PartsParams {
  /** The engine whose jobs are really there. */
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly plans: PlanCache;
  readonly values: WorkflowValues;
}

/** The engine, with parts of workflows read as jobs. */
export function readingParts(params: PartsParams): Engine {
  const { engine } = params;

  async function readJobs(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    const found = await readParts(refs);
    if (!found.some(isReplaced)) return found;
    return Promise.all(found.map((job) => (isReplaced(job) ? replacementOf(job) : job)));
  }

  async function readParts(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    const addresses = refs.map((ref) => partOf(ref.id));
    if (addresses.every((address) => address === undefined)) return engine.readJobs(refs);
    const withJobs = refs.filter((_, i) => hasJob(addresses[i]));
    const parts = addresses.filter((address) => address !== undefined);
    const [jobs, fields] = await Promise.all([
      withJobs.length === 0 ? [] : engine.readJobs(withJobs),
      engine.flows.read(parts.map(({ flow, path }) => ({ flow, fields: recordFields(path) }))),
    ]);
    let job = 0;
    let part = 0;
    return Promise.all(
      refs.map((ref, i) => {
        const address = addresses[i];
        const found = hasJob(address) ? jobs[job++] : undefined;
        return address === undefined ? found : partJob(params, ref, address, found, fields[part++] ?? []);
      }),
    );
  }

  /** A task whose place was taken reads as what took it. */
  async function replacementOf(job: StoredJob): Promise<StoredJob | undefined> {
    const flow = replacementIn(job.returnvalue) ?? '';
    const plan = await params.plans.get(flow);
    if (plan === undefined) return undefined;
    const path = finalOf(plan.root, ROOT);
    const node = nodeAt(plan, path);
    const id = partId(flow, path, node?.kind === 'task' ? node.queue : undefined);
    const [now] = await readJobs([{ queue: node?.kind === 'task' ? node.queue : '', id }]);
    return now === undefined ? undefined : { ...now, id: job.id, replacedBy: { queue: now.queue, id } };
  }

  async function readEnded(refs: readonly JobRef[]): Promise<boolean[]> {
    if (refs.every((ref) => partOf(ref.id) === undefined)) return engine.readEnded(refs);
    const isPart = refs.map((ref) => partOf(ref.id) !== undefined);
    const [plain, jobs] = await Promise.all([
      engine.readEnded(refs.filter((_, i) => !isPart[i])),
      readJobs(refs.filter((_, i) => isPart[i])),
    ]);
    const ended = { plain: plain.values(), parts: jobs.values() };
    return refs.map((_, i) => {
      if (!isPart[i]) return ended.plain.next().value ?? true;
      const job = ended.parts.next().value;
      return job === undefined || job.doneAt !== undefined;
    });
  }

  return passingOn({ engine }, { readJobs, readEnded, signals: hearingFlows(engine) });
}

function isReplaced(job: StoredJob | undefined): job is StoredJob {
  return replacementIn(job?.returnvalue) !== undefined;
}

function hasJob(address: PartAddress | undefined): boolean {
  return address === undefined || address.queue !== undefined;
}

/** Who listens for a part hears of its workflow too: a failure elsewhere may be its end. */
function hearingFlows(engine: Engine): Notices {
  return {
    get ordered() {
      return engine.signals.ordered;
    },
    notify: (...notice) => engine.signals.notify(...notice),
    hint: (topic) => engine.signals.hint(topic),
    subscribe: (topic, listener) => {
      const { signals } = engine;
      const [only = topic, ...others] = topicsOf(topic);
      const subscribed = signals.subscribe(only, listener);
      if (others.length === 0) return subscribed;
      return Promise.all([subscribed, ...others.map((each) => signals.subscribe(each, listener))]).then(
        () => undefined,
      );
    },
    unsubscribe: (topic, listener) => {
      for (const each of topicsOf(topic)) engine.signals.unsubscribe(each, listener);
    },
    expect: (ids) => engine.signals.expect(ids),
    untold: (topic) => engine.signals.untold(topic),
    onGap: (listener) => engine.signals.onGap(listener),
  };
}

function topicsOf(topic: string): string[] {
  const part = partOf(topic);
  if (part === undefined) return [topic];
  return [part.queue === undefined ? flowTopic(part.flow, part.path) : topic, flowTopic(part.flow)];
}

async function partJob(
  params: PartsParams,
  ref: JobRef,
  { flow, path }: PartAddress,
  job: StoredJob | undefined,
  fields: readonly (string | undefined)[],
): Promise<StoredJob | undefined> {
  const record = readRecord(path, fields, params.clock.now());
  const state = partState(jobStage(job, path, record), record);
  if (state.kind === 'job') return job;
  if (state.kind === 'gone') return undefined;
  const plan = await params.plans.upTo(flow, path);
  if (plan === undefined) return job;
  const base = job ?? blankJob(ref, flow, path, plan);
  if (base === undefined) return undefined;
  switch (state.kind) {
    case 'ended':
      // What stores no result keeps it as long as others may ask for it. The job of a success, if it is still there, is
      // about to go; that of a failure may stay.
      if (state.over && isIgnored(plan, path) && (job === undefined || 's' in state.ending)) return undefined;
      return endedJob(params, base, { flow, path, plan, ending: state.ending });
    case 'failed':
      return failedJob(base, state.failing, state.body);
    case 'revoked':
      return revokedJob(base, ref.id, state.revocation);
    case 'waiting':
      return { ...base, progress: await progressBefore(params.engine, flow, path, plan) };
  }
}

/** How far the job of a part is. */
function jobStage(job: StoredJob | undefined, path: string, { revocation }: PartRecord): JobStage {
  if (job === undefined) return 'none';
  if (job.doneAt !== undefined) return isReplaced(job) ? 'replaced' : 'done';
  if (!job.running) return 'sent';
  if (revocation === undefined || revocation.running.get(path) === job.deliveries) return 'running';
  // Who fetches a part of a revoked workflow throws it away, unless it was fetched just before.
  return ranWhenRevoked(job, readMessage(job.data)) ? 'running' : 'sent';
}

function isIgnored(plan: Plan, path: string): boolean {
  const node = nodeAt(plan, path);
  return node !== undefined && leavesNoResult(node);
}

/** A part whose turn has not come. */
function blankJob(ref: JobRef, flow: string, path: string, plan: Plan): StoredJob | undefined {
  const node = nodeAt(plan, path);
  if (node === undefined) return undefined;
  const leaf = node.kind === 'task' ? node : undefined;
  return {
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

async function endedJob(params: PartsParams, job: StoredJob, part: EndedPart): Promise<StoredJob> {
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

async function endingAt(params: PartsParams, flow: string, path: string): Promise<Ending | undefined> {
  const [[text] = []] = await params.engine.flows.read([{ flow, fields: [path] }]);
  return readEnding(text);
}

function failedJob(job: StoredJob, { f }: Pick<Failing, 'f'>, body: boolean): StoredJob {
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

function revokedJob(job: StoredJob, taskId: string, { reason, at }: FlowRevocation): StoredJob {
  const error = new TaskRevokedError({ taskId, taskName: job.name, reason });
  // What has had an attempt began with it; another, which only ends it, is none.
  const began = job.retries > 0 ? undefined : NOT_BEGUN;
  return { ...job, ...began, ...revocation(encodeFailure(error), at ?? job.sentAt) };
}

/** As {@link failure}, of a part that was revoked itself. */
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
