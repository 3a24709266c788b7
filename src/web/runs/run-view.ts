/** A task's record as the API shows it: short, plain, with nothing that a serializer has sealed. Pure. */
import type { TaskRecord } from '../../coordination/task-record.js';
import { isGenerated, partOf, taskIdOfJob } from '../../protocol/ids.js';
import { queueOfLane } from '../../protocol/lanes.js';
import { type Message, readMessage, unpackStack } from '../../protocol/message.js';
import { deliveriesIn, parkIn } from '../../protocol/waiting.js';
import { type DeriveContext, metaOf, stateOf } from '../../results/snapshot.js';
import { FAILURE, RETRY, REVOKED, WAITING } from '../../states.js';
import { shownInstead } from '../../tasks/shown-arguments.js';
import type { Run, RunError } from '../api.js';

/** What showing tasks needs. */
export interface RunContext {
  /** Epoch ms, broker's clock. */
  readonly now: number;
  /** The name of a serializer that encrypts: then arguments, values and meta of all tasks stay hidden. */
  readonly seal: string | undefined;
  /** The same for one task; absent where all are the same. */
  readonly sealOf?: (name: string, message: Message) => string | undefined;
  decodeArgs(encoded: unknown): readonly unknown[];
  decodeResult(encoded: unknown): unknown;
  /** The task of this name, where its code is here: it may hide its arguments. */
  readonly taskOf?: DeriveContext['taskOf'];
}

/** Most characters of arguments in a list. */
const ARGS_SHOWN = 300;
/** Most characters of an error's message in a list. */
const MESSAGE_SHOWN = 500;

/** The name of the serializer that hides the values of a task. */
export function sealOf(context: RunContext, name: string, message: Message): string | undefined {
  return context.seal ?? context.sealOf?.(name, message);
}

/** What is shown instead of them. */
export function sealedText(seal: string): string {
  return `[sealed by the serializer "${seal}"]`;
}

/** The id under which its caller knows a task. */
export function taskIdOf({ id, data }: Pick<TaskRecord, 'id' | 'data'>): string {
  return isGenerated(id) ? id : (readMessage(data).id ?? taskIdOfJob(id));
}

/** @param message that of the record */
export function runOf(job: TaskRecord, message: Message, context: RunContext): Run {
  const id = isGenerated(job.id) ? job.id : (message.id ?? taskIdOfJob(job.id));
  const state = stateOf(job, message, context.now);
  const retries = retriesOf(job, message);
  const began = job.running || job.doneAt !== undefined || job.deliveries > 0;
  const startedAt = began ? job.startedAt : undefined;
  const dueAt = Math.max(job.sentAt, message.eta ?? 0);
  const seal = sealOf(context, job.name, message);
  return {
    id,
    name: job.name,
    state,
    queue: queueOfLane(job.queue),
    tags: message.tags ?? [],
    args: seal === undefined ? argsText(job.name, message, context) : sealedText(seal),
    worker: began ? (job.worker ?? null) : null,
    attempt: retries,
    retries,
    deliveries: deliveriesIn(job, message),
    priority: job.priority === 0 ? null : job.priority,
    parentId: message.parent ?? null,
    rootId: message.root ?? id,
    workflowId: partOf(job.id)?.flow ?? null,
    sentAt: moment(job.sentAt),
    startedAt: moment(startedAt),
    doneAt: moment(job.doneAt),
    eta: moment(etaOf(job, message, state)),
    runtime: runtimeOf(job, startedAt, context.now),
    wait: startedAt === undefined || retries > 0 ? null : Math.max(0, startedAt - dueAt),
    error: errorOf(job, state),
    meta: seal === undefined ? (metaOf(job, state, context) ?? null) : null,
  };
}

/** How often it was retried: BullMQ counts the last attempt of an ended task too. */
export function retriesOf(job: TaskRecord, message: Message): number {
  return (message.tried ?? 0) + (job.doneAt === undefined ? job.retries : Math.max(0, job.retries - 1));
}

/** A moment as the API writes it. */
export function moment(at: number | undefined): string | null {
  return at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15
    ? null
    : new Date(at).toISOString();
}

/** Arguments as one line. */
function argsText(name: string, message: Message, context: RunContext): string {
  try {
    const instead = shownInstead(message, context.taskOf?.(name));
    const text =
      instead?.map((each) => (typeof each === 'string' ? each : jsonText(each))).join(', ') ??
      context
        .decodeArgs(message.args)
        .map((arg) => jsonText(arg))
        .join(', ');
    return text.length <= ARGS_SHOWN ? text : `${text.slice(0, ARGS_SHOWN - 1).toWellFormed()}…`;
  } catch {
    return '[cannot be read]'; // written by another program, or with another key
  }
}

/** As JSON; what JSON has no form for is named. */
function jsonText(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, inner: unknown) => {
        if (typeof inner === 'bigint') return String(inner);
        if (inner instanceof Map) return Object.fromEntries(inner);
        if (inner instanceof Set) return [...inner];
        return inner instanceof Uint8Array ? `[${inner.byteLength} bytes]` : inner;
      }) ?? 'undefined'
    );
  } catch {
    return '[cannot be shown]';
  }
}

function etaOf(job: TaskRecord, message: Message, state: string): number | undefined {
  if (job.doneAt !== undefined || job.running) return undefined;
  if (state === WAITING) {
    const ends = (parkIn(job.stack)?.for ?? []).flatMap(({ until }) => until ?? []);
    return ends.length === 0 ? undefined : Math.min(...ends);
  }
  if (state === RETRY) return undefined;
  return message.eta ?? (job.delayMs > 0 ? job.sentAt + job.delayMs : undefined);
}

function runtimeOf(job: TaskRecord, startedAt: number | undefined, now: number): number | null {
  if (startedAt === undefined) return null;
  const end = job.doneAt ?? (job.running ? now : undefined);
  return end === undefined ? null : Math.max(0, end - startedAt);
}

function errorOf(job: TaskRecord, state: string): RunError | null {
  if (state !== FAILURE && state !== RETRY && state !== REVOKED) return null;
  const { wireError } = unpackStack(job.stack ?? '');
  const wire = isRecord(wireError) ? wireError : {};
  if (state === REVOKED) {
    const fields = isRecord(wire.fields) ? wire.fields : {};
    const reason = job.doneAt === undefined ? readMessage(job.data).revoked?.reason : fields.reason;
    return { name: 'TaskRevokedError', message: cut(typeof reason === 'string' ? reason : '') };
  }
  const [, name = 'Error', text = ''] = /^(?:([\w$.]+): )?([\s\S]*)$/.exec(job.failedReason ?? '') ?? [];
  return {
    name: typeof wire.name === 'string' ? wire.name : name,
    message: cut(typeof wire.message === 'string' ? wire.message : text),
  };
}

function cut(message: string): string {
  return message.slice(0, MESSAGE_SHOWN).toWellFormed();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
