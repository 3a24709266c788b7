/**
 * The task message: the `data` of a BullMQ job, as plain JSON that any BullMQ worker can read. Pure; documented in
 * `docs/internals/protocol.md`. Fields that a task does not use are absent. Reading drops unknown fields, which newer
 * producers may add.
 */
import { LONGEST_TAG, MOST_TAGS } from '../options/tags.js';
import { escapeTree, unescapeTree } from '../text-escape.js';

/** Version of the message format. */
export const MESSAGE_VERSION = 1;

export interface Message {
  readonly v: number;
  /** The encoded arguments: a plain list under the json serializer. */
  readonly args: unknown;
  /** The root task, absent when it is the task itself; the parent task, absent when there is none. */
  readonly root?: string;
  readonly parent?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Names of the headers that calls made within the task inherit. */
  readonly propagate?: readonly string[];
  /** Words to find the task by. */
  readonly tags?: readonly string[];
  /** The name of the serializer of its values, where it is not the app's own. */
  readonly serializer?: string;
  /** The size above which its values are compressed, bytes, where the call says so; 0 for never. */
  readonly compress?: number;
  /** The arguments are to be shown nowhere: `true`, or what is shown in their place. */
  readonly shown?: true | readonly unknown[];
  /** Store no result. */
  readonly ignore?: true;
  /** The caller forgot the result: the record is to be removed when the task has ended. */
  readonly forgotten?: true;
  /** Epoch ms. */
  readonly expires?: number;
  readonly eta?: number;
  /** Time limits, ms; `null` removes the limit that the task declares. */
  readonly soft?: number | null;
  readonly hard?: number | null;
  /** Most retries; `null` for no limit. */
  readonly retries?: number | null;
  readonly shadow?: string;
  /** Present once the task is revoked: no further attempt starts. */
  readonly revoked?: Revocation;
  /** The unique key that the task holds until its end. */
  readonly unique?: string;
  /** The queue that the task was moved from into its lane, and the number of retries made there. */
  readonly from?: string;
  readonly tried?: number;
  /** The stack of the last attempt there, with its encoded error. */
  readonly failed?: string;
  /** The queue it was sent to, where `from` is another one: a retry has sent it there. */
  readonly origin?: string;
  /** How often a worker had begun the task there, besides what it was moved for: the job in the lane counts anew. */
  readonly begun?: number;
  /** It was moved as it woke up: how long its attempt had run by then, ms. */
  readonly ranMs?: number;
  /** How often a retry of the failed task has made it as new. */
  readonly renewed?: number;
  /** For the tick of a schedule: identifies this addition among several of the same job. */
  readonly tick?: string;
  /** The caller's task id, when the job id is an encoding of it. */
  readonly id?: string;
  /** For a part of a workflow: its group, and its index among the members. */
  readonly flow?: { readonly group?: string; readonly index?: number };
  /** Values that are put before the task's own arguments. */
  readonly input?: FlowInput;
  /** The arguments are a list of argument lists, and the task runs once with each. */
  readonly each?: true;
  /** The tasks whose place it has taken, one after the other: it gets what was sent to them. */
  readonly heirOf?: readonly Forebear[];
  /** The job has steps of earlier attempts, though its count of deliveries begins anew. */
  readonly steps?: true;
}

/** A task whose place another one has taken. */
export interface Forebear {
  readonly queue: string;
  readonly id: string;
  /** The names that it has waited for itself: what was sent under them is its own. */
  readonly used?: readonly string[];
}

/** The input that a part of a workflow receives from the parts before it. */
export type FlowInput =
  /** An encoded value. */
  | { readonly value: unknown }
  /** The value of another part, read when the task starts. Stored by reference because many parts may share it. */
  | { readonly of: string }
  /** Values, once read. */
  | { readonly list: readonly FlowInput[] }
  /** For an errback: the failed member's request and its encoded error. */
  | { readonly request: unknown; readonly error: unknown };

/**
 * The JSON text of a message.
 * @param args the encoded arguments, as JSON text
 */
export function writeMessage(args: string, fields: Omit<Message, 'v' | 'args'>): string {
  const plain = JSON.stringify(fields);
  const rest = ODD_TEXT.test(plain) ? JSON.stringify({ ...escapedFields(fields), escaped: 1 }) : plain;
  return `{"v":${MESSAGE_VERSION},"args":${args}${rest === '{}' ? '}' : `,${rest.slice(1)}`}`;
}

/** The data of a job with some fields of its message changed. */
export function amendMessage(text: string, change: Partial<Omit<Message, 'v' | 'args'>>): object {
  const { v: _, args, ...fields } = readMessage(text);
  return JSON.parse(writeMessage(JSON.stringify(args), { ...fields, ...change })) as object;
}

/** The data of a job whose next attempt is to get other arguments (encoded, as JSON text), or to have other fields. */
export function changeMessage(
  text: string,
  args: string | undefined,
  change: Partial<Omit<Message, 'v' | 'args'>>,
): object {
  const { v: _, args: before, ...fields } = readMessage(text);
  // The new arguments are all there are: what the previous part of a workflow gave is not put before them.
  const { input: __, ...own } = fields;
  const kept = args === undefined ? fields : own;
  return JSON.parse(writeMessage(args ?? JSON.stringify(before), { ...kept, ...change })) as object;
}

/**
 * The data of a job that is to run again as if it had just been sent. Drops revocation, tries, eta and expiry: an expiry
 * in the past would end the task at once.
 */
export function renewMessage(text: string, hasSteps = false): object {
  const {
    v: _,
    args,
    revoked,
    tried,
    failed,
    begun,
    ranMs,
    renewed = 0,
    expires,
    eta,
    steps,
    ...fields
  } = readMessage(text);
  const again = { ...fields, renewed: renewed + 1, ...(hasSteps && { steps: true as const }) };
  return JSON.parse(writeMessage(JSON.stringify(args), again)) as object;
}

/** JSON escapes of what PostgreSQL's text refuses: NUL and lone surrogates. Arguments have an envelope of their own. */
const ODD_TEXT = /\\u(?:0000|d[89a-f])/;

function escapedFields(fields: object): object {
  return escapeTree(fields) as object;
}

/** A revocation, as stored in the job. */
export interface Revocation {
  readonly reason?: string;
  /** The task was running when it was revoked, and keeps running. */
  readonly started?: true;
  /** The number of the delivery that was running. */
  readonly delivery?: number;
}

/**
 * Reads a job's data, which any program may have written. Fields of a wrong type count as absent. Never throws.
 * @param text JSON text
 */
export function readMessage(text: string): Message {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return UNREADABLE; // not JSON: the reader of the arguments reports it
  }
  return messageFrom(data);
}

/** {@link readMessage} for data that BullMQ has parsed. */
export function messageFrom(data: unknown): Message {
  try {
    return fieldsOf(data);
  } catch {
    return UNREADABLE; // nested too deep to process
  }
}

/** Stands for an unreadable message. Its arguments are not a list, so its task fails with that. */
const UNREADABLE: Message = Object.freeze({ v: 0, args: 'unreadable data' });

/** {@link UNREADABLE} as a job's data. */
export const UNREADABLE_DATA = JSON.stringify(UNREADABLE);

function fieldsOf(data: unknown): Message {
  if (typeof data !== 'object' || data === null) return { v: 0, args: [] };
  const d = unescaped(data as Record<string, unknown>);
  // The fast path: most messages hold only a version and arguments.
  if (typeof d.v === 'number' && d.args != null && Object.keys(d).length === 2)
    return { v: d.v, args: d.args };
  const text = (key: string) => (typeof d[key] === 'string' ? { [key]: d[key] } : undefined);
  const number = (key: string) => (typeof d[key] === 'number' ? { [key]: d[key] } : undefined);
  const count = (key: string) =>
    Number.isSafeInteger(d[key]) && Number(d[key]) >= 0 ? number(key) : undefined;
  const limit = (key: string) => (d[key] === null ? { [key]: null } : number(key));
  return {
    v: typeof d.v === 'number' ? d.v : 0,
    args: d.args ?? [],
    ...text('root'),
    ...text('parent'),
    ...text('shadow'),
    ...text('id'),
    ...text('unique'),
    ...text('from'),
    ...text('origin'),
    ...text('failed'),
    ...text('tick'),
    ...text('serializer'),
    ...count('compress'),
    ...count('tried'),
    ...count('begun'),
    ...count('ranMs'),
    ...count('renewed'),
    ...number('expires'),
    ...number('eta'),
    ...limit('soft'),
    ...limit('hard'),
    ...(Array.isArray(d.propagate) && { propagate: d.propagate.filter((h) => typeof h === 'string') }),
    ...(Array.isArray(d.tags) && { tags: d.tags.filter(isTag).slice(0, MOST_TAGS) }),
    ...((d.shown === true || Array.isArray(d.shown)) && { shown: d.shown }),
    ...(isRecord(d.revoked) && {
      revoked: {
        ...(typeof d.revoked.reason === 'string' && { reason: d.revoked.reason }),
        ...(d.revoked.started === true && { started: true as const }),
        ...(typeof d.revoked.delivery === 'number' && { delivery: d.revoked.delivery }),
      },
    }),
    ...(Array.isArray(d.heirOf) && { heirOf: d.heirOf.filter(isForebear) }),
    ...(d.each === true && { each: true as const }),
    ...(d.steps === true && { steps: true as const }),
    ...(d.ignore === true && { ignore: true as const }),
    ...(d.forgotten === true && { forgotten: true as const }),
    ...(isRecord(d.flow) && { flow: groupPlace(d.flow) }),
    ...(isRecord(d.input) && { input: d.input as unknown as FlowInput }),
    ...(d.retries === null || typeof d.retries === 'number' ? { retries: d.retries } : undefined),
    ...(typeof d.headers === 'object' &&
      d.headers !== null && { headers: d.headers as Record<string, unknown> }),
  };
}

function unescaped(data: Record<string, unknown>): Record<string, unknown> {
  if (data.escaped !== 1) return data;
  const { args, ...fields } = data;
  return { ...(unescapeTree(fields) as Record<string, unknown>), args };
}

/** False also for what no call would have sent: tags travel in events and reports. */
function isTag(tag: unknown): tag is string {
  return typeof tag === 'string' && tag !== '' && tag.length <= LONGEST_TAG;
}

/** The group and index of a part, where they have the right types. */
function groupPlace({ group, index }: Record<string, unknown>): NonNullable<Message['flow']> {
  return {
    ...(typeof group === 'string' && { group }),
    ...(typeof index === 'number' && { index }),
  };
}

function isForebear(value: unknown): value is Forebear {
  if (!isRecord(value) || typeof value.queue !== 'string' || typeof value.id !== 'string') return false;
  return value.used === undefined || Array.isArray(value.used);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const MARK = '$celeriac';
const REPLACED = 'celeriac.replaced';
const LONGEST_MARK = 100;

/** The result of a task that a workflow replaced. */
export function replacedBy(flow: string): object {
  return { [MARK]: REPLACED, value: flow };
}

/** The workflow that replaced a task, from the task's stored result; `undefined` for any other result. */
export function replacementIn(returnvalue: string | undefined): string | undefined {
  if (returnvalue?.includes(REPLACED) !== true || returnvalue.length > LONGEST_MARK) return undefined;
  try {
    const value: unknown = JSON.parse(returnvalue);
    return isRecord(value) && value[MARK] === REPLACED && typeof value.value === 'string'
      ? value.value
      : undefined;
  } catch {
    return undefined; // another program's text: the reader of results reports it
  }
}

const ERROR_MARK = '\n    celeriac: ';

/** A readable stack followed by the encoded error: BullMQ keeps one text per failed attempt. */
export function packStack(stack: string, wireError: unknown): string {
  return stack + ERROR_MARK + JSON.stringify(wireError);
}

/**
 * {@link packStack} for a revoked task. Only this mark identifies a revocation, since a task may fail with the
 * `TaskRevokedError` of another task.
 */
export function packRevocation(stack: string, wireError: object): string {
  return packStack(stack, { ...wireError, revoked: true });
}

/** Whether a stored stack carries the mark of a revocation. */
export function isRevocationStack(packed: string): boolean {
  const { wireError } = unpackStack(packed);
  return isRecord(wireError) && wireError.revoked === true;
}

/** Splits the text of {@link packStack}. `wireError` is `undefined` for a stack that another program wrote. */
export function unpackStack(packed: string): { stack: string; wireError: unknown } {
  const at = packed.lastIndexOf(ERROR_MARK);
  if (at < 0) return { stack: packed, wireError: undefined };
  try {
    return { stack: packed.slice(0, at), wireError: JSON.parse(packed.slice(at + ERROR_MARK.length)) };
  } catch {
    // The text was cut by some limit: only the readable half is left.
    return { stack: packed.slice(0, at), wireError: undefined };
  }
}
