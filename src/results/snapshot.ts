/**
 * The meaning of a stored job: `derive` turns the broker's record into a Snapshot. Pure; the only place that decides
 * a task's state.
 */
import type { TaskRecord } from '../coordination/task-record.js';
import { CeleriacError, TaskFailedError, TaskRevokedError } from '../errors.js';
import { queueOfLane } from '../protocol/lanes.js';
import { isRevocationStack, type Message, readMessage, unpackStack } from '../protocol/message.js';
import type { StepView } from '../protocol/steps.js';
import { deliveriesIn, parkIn } from '../protocol/waiting.js';
import { decodeFailure, type ErrorClasses, errorNameOf } from '../protocol/wire-error.js';
import {
  FAILURE,
  isBuiltIn,
  PENDING,
  RETRY,
  REVOKED,
  STARTED,
  type State,
  SUCCESS,
  WAITING,
} from '../states.js';
import { type Hiding, shownInstead } from '../tasks/shown-arguments.js';

/** Everything known about a task at one moment, in one read. */
export interface Snapshot<R = unknown> {
  readonly id: string;
  readonly name: string | undefined;
  readonly state: State;
  /** `false`: the id was never sent, or is no longer kept. */
  readonly known: boolean;
  /** The last meta passed to `updateState`; in WAITING: what for, and until when. */
  readonly meta: unknown;
  /** The result, in SUCCESS. */
  readonly value: R | undefined;
  /**
   * The error `get()` would throw, in FAILURE and REVOKED, and in SUCCESS where this app cannot read the value; the cause of
   * the retry, in RETRY.
   */
  readonly error: Error | undefined;
  /** Where the task hides them, what is shown in their place. */
  readonly args: readonly unknown[];
  readonly queue: string | undefined;
  /** The node that runs the task, or ran it last. */
  readonly worker: string | undefined;
  readonly retries: number;
  readonly deliveries: number;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly sentAt: Date | undefined;
  readonly startedAt: Date | undefined;
  readonly doneAt: Date | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** The steps, sleeps and waits that it has begun, in order. */
  readonly steps: readonly StepView[];
}

/** What deriving needs besides the job. */
export interface DeriveContext {
  /** Epoch ms, broker's clock. */
  readonly now: number;
  readonly classes: ErrorClasses;
  decodeArgs(encoded: unknown): readonly unknown[];
  decodeResult(encoded: unknown): unknown;
  /** The task of this name, where its code is here: it may hide its arguments. */
  readonly taskOf?: (name: string) => Hiding | undefined;
}

/** The arguments; none can be decoded by an app that lacks their serializer, which sees the state all the same. */
function argsOf(
  name: string,
  message: Message,
  context: DeriveContext,
  error: Error | undefined,
): readonly unknown[] {
  const instead = shownInstead(message, context.taskOf?.(name));
  if (instead !== undefined) return instead;
  try {
    return context.decodeArgs(message.args);
  } catch {
    return error === undefined ? UNREADABLE_ARGS : []; // that may be the very error
  }
}

const UNREADABLE_ARGS: readonly unknown[] = Object.freeze(['[cannot be read]']);

/** The value; or the error that `get()` throws, where this app cannot read it. */
function readValue(job: TaskRecord, context: DeriveContext): { value?: unknown; unreadable?: Error } {
  try {
    return { value: context.decodeResult(JSON.parse(job.returnvalue ?? 'null')) };
  } catch (error) {
    return { unreadable: error instanceof Error ? error : new CeleriacError(String(error)) };
  }
}

/** The snapshot of a job, or of a missing one. */
export function derive(taskId: string, job: TaskRecord | undefined, context: DeriveContext): Snapshot {
  if (job === undefined) return unknownTask(taskId);
  const message = readMessage(job.data);
  const state = stateOf(job, message, context.now);
  const { value, unreadable }: ReturnType<typeof readValue> =
    state === SUCCESS ? readValue(job, context) : NONE;
  const failure = errorOf(taskId, job, message, state, context.classes);
  const done = state === SUCCESS || state === FAILURE || (state === REVOKED && job.doneAt !== undefined);
  // BullMQ counts the last attempt too.
  const retries = (message.tried ?? 0) + (done ? Math.max(0, job.retries - 1) : job.retries);
  const began = state === REVOKED ? done && !isUnstarted(job) : job.running || done || state === WAITING;
  return {
    id: taskId,
    name: job.name,
    state,
    known: true,
    meta: metaOf(job, state, context),
    value,
    error: unreadable ?? failure,
    args: argsOf(job.name, message, context, failure),
    queue: queueOfLane(job.queue),
    worker: began || retries > 0 ? job.worker : undefined,
    retries,
    deliveries: deliveriesIn(job, message),
    rootId: message.root ?? taskId,
    parentId: message.parent,
    sentAt: new Date(job.sentAt),
    startedAt: began && job.startedAt !== undefined ? new Date(job.startedAt) : undefined,
    doneAt: job.doneAt === undefined ? undefined : new Date(job.doneAt),
    headers: message.headers ?? {},
    tags: message.tags ?? [],
    steps: [],
  };
}

const NONE = Object.freeze({});

/** The state alone. */
export function stateOf(job: TaskRecord, message: Message, now: number): State {
  // A retried task keeps its old failedReason, so a return value decides first.
  if (job.doneAt !== undefined) {
    if (job.returnvalue !== undefined) return SUCCESS;
    return job.kind === 'dropped' || isRevocation(job) ? REVOKED : FAILURE;
  }
  // The worker that has it fetched will release it, or it waits for an attempt that will never run.
  if (message.revoked !== undefined && !(job.running && ranWhenRevoked(job, message))) return REVOKED;
  if (job.running && !isFetchedLate(job, message)) return customStateOf(job, message) ?? STARTED;
  if (!job.running && isParked(job)) return WAITING;
  if (message.expires !== undefined && now >= message.expires && !hasBegun(job, message)) return REVOKED;
  return job.retries > 0 || message.tried !== undefined ? RETRY : PENDING;
}

/** The last meta passed to `updateState`; in WAITING: what for, and until when. */
export function metaOf(job: TaskRecord, state: State, context: Pick<DeriveContext, 'decodeResult'>): unknown {
  return state === WAITING && isParked(job) ? waitingMeta(job) : decodeMeta(progressOf(job)?.meta, context);
}

/** True if the task waits: it was parked, and not fetched since. */
function isParked(job: TaskRecord): boolean {
  const park = parkIn(job.stack);
  return park !== undefined && job.deliveries <= park.starts;
}

/** What a parked task waits for: one thing, or the first of several to be over. */
function waitingMeta(job: TaskRecord): unknown {
  const waits = (parkIn(job.stack)?.for ?? []).map(({ kind, name, until }) => ({
    kind,
    name,
    until: until === undefined ? null : new Date(until).toISOString(),
  }));
  return waits.length === 1 ? waits[0] : { kind: 'several', for: waits };
}

/** True if the current delivery had begun before the revocation, so that it runs on. */
export function ranWhenRevoked({ deliveries }: TaskRecord, { revoked }: Message): boolean {
  return revoked?.started === true && (revoked.delivery ?? deliveries) === deliveries;
}

/** True if an attempt began: `expires` is the latest moment of that. A job that was moved into its lane is counted anew. */
function hasBegun(job: TaskRecord, { steps }: Message): boolean {
  return steps === true || job.deliveries > (job.running ? 1 : 0);
}

/** True if a worker fetched the task after its expiry, only to end it. */
function isFetchedLate(job: TaskRecord, { expires, steps }: Message): boolean {
  return expires !== undefined && steps !== true && job.deliveries <= 1 && (job.startedAt ?? 0) >= expires;
}

/** When an unfinished job's state changes without a write, epoch ms. */
export function changesAt(job: TaskRecord): number | undefined {
  return job.deliveries === 0 ? readMessage(job.data).expires : undefined;
}

/** The last custom state of the task, whether or not it has ended since. */
export function lastCustomState(job: TaskRecord): { state: State; attempt: number } | undefined {
  const progress = progressOf(job);
  return progress === undefined || isBuiltIn(progress.state) ? undefined : progress;
}

/** The error of RETRY and of the ended states, as `get()` throws it. */
function errorOf(
  taskId: string,
  job: TaskRecord,
  message: Message,
  state: State,
  classes: ErrorClasses,
): Error | undefined {
  if (state === REVOKED)
    return new TaskRevokedError({ taskId, taskName: job.name, reason: reasonOf(job, message) });
  if (state !== FAILURE && state !== RETRY) return undefined;
  const { stack, wireError } = unpackStack(job.stack ?? message.failed ?? '');
  const wire = isRecord(wireError) ? wireError : { name: 'Error', message: job.failedReason ?? '' };
  const cause = decodeFailure({ ...wire, stack }, classes, job.blame?.taskName ?? job.name);
  if (state === RETRY) return cause;
  return new TaskFailedError({
    taskId: job.blame?.taskId ?? taskId,
    taskName: job.blame?.taskName ?? job.name,
    errorName: errorNameOf(cause),
    message: cause.message,
    remoteStack: stack === '' ? undefined : stack,
    cause,
  });
}

function isRevocation(job: TaskRecord): boolean {
  // A task after a revoked one fails because of it, as after any other failure.
  if (job.blame !== undefined) return false;
  return isRevocationStack(job.stack ?? '');
}

/** The revocation reason of an expired task. */
export const NEVER_STARTED = 'it was not started before it expired';

/** True if a worker ended the task without beginning it. */
function isUnstarted(job: TaskRecord): boolean {
  const { wireError } = unpackStack(job.stack ?? '');
  return isRecord(wireError) && wireError.unstarted === true;
}

function reasonOf(job: TaskRecord, message: Message): string | undefined {
  if ((job.doneAt === undefined || job.kind === 'dropped') && message.revoked !== undefined)
    return message.revoked.reason;
  if (job.doneAt === undefined) return NEVER_STARTED;
  const { wireError } = unpackStack(job.stack ?? '');
  const fields = isRecord(wireError) && isRecord(wireError.fields) ? wireError.fields : {};
  return typeof fields.reason === 'string' ? fields.reason : undefined;
}

/** BullMQ progress in our shape; another program's progress is no state. */
function progressOf(job: TaskRecord): { state: string; meta: unknown; attempt: number } | undefined {
  const { progress } = job;
  if (!isRecord(progress) || typeof progress.state !== 'string') return undefined;
  return {
    state: progress.state,
    meta: progress.meta,
    attempt: Number(progress.attempt ?? 0),
  };
}

/** The state set by the running attempt; states of earlier attempts no longer count. */
function customStateOf(job: TaskRecord, message: Message): State | undefined {
  const progress = progressOf(job);
  if (progress === undefined || progress.attempt !== job.retries + (message.tried ?? 0)) return undefined;
  // Tutorials set SUCCESS by hand: the meta shows, but only the end of a task ends it.
  return isBuiltIn(progress.state) ? undefined : progress.state;
}

function unknownTask(taskId: string): Snapshot {
  return {
    id: taskId,
    name: undefined,
    state: PENDING,
    known: false,
    meta: undefined,
    value: undefined,
    error: undefined,
    args: [],
    queue: undefined,
    worker: undefined,
    retries: 0,
    deliveries: 0,
    rootId: taskId,
    parentId: undefined,
    sentAt: undefined,
    startedAt: undefined,
    doneAt: undefined,
    headers: {},
    tags: [],
    steps: [],
  };
}

/** Decodes the meta. Another program's may be no payload of ours, or encrypted with another key. */
function decodeMeta(stored: unknown, context: Pick<DeriveContext, 'decodeResult'>): unknown {
  try {
    return context.decodeResult(stored);
  } catch {
    // Marked as a payload but unreadable: shown as stored.
    return stored;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
