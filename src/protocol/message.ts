/**
 * The task message: what a BullMQ job's `data` holds, as plain JSON any BullMQ worker can read. Pure; documented in
 * `docs/internals/protocol.md`. Fields a task does not use are absent. Unknown fields of newer producers are kept out.
 */
import { escapeTree, unescapeTree } from '../text-escape.js';

/** Version of the message format. */
export const MESSAGE_VERSION = 1;

export interface Message {
  readonly v: number;
  /** The encoded arguments: a plain list under the json serializer. */
  readonly args: unknown;
  /** The root and parent task, when they are not the task itself and nobody. */
  readonly root?: string;
  readonly parent?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Headers that calls made within the task take over. */
  readonly propagate?: readonly string[];
  /** Store no result. */
  readonly ignore?: true;
  /** Somebody wants its record to go when it has ended. */
  readonly forgotten?: true;
  /** Epoch ms. */
  readonly expires?: number;
  readonly eta?: number;
  /** ms; `null` takes the task's own away. */
  readonly soft?: number | null;
  readonly hard?: number | null;
  /** `null` for ever. */
  readonly retries?: number | null;
  readonly shadow?: string;
  /** Somebody revoked it: no attempt starts any more. */
  readonly revoked?: Revocation;
  /** The unique key it holds until its end. */
  readonly unique?: string;
  /** The queue it was moved from into its lane, and how often it had been tried there. */
  readonly from?: string;
  readonly tried?: number;
  /** A schedule's tick: which of the additions of its job this is. */
  readonly tick?: string;
  /** The id as the caller knows it, when the job's own id is an encoding of it. */
  readonly id?: string;
  /** It is a part of a workflow: which group it belongs to, and as which member. */
  readonly flow?: { readonly group?: string; readonly index?: number };
  /** What stands before its own arguments. */
  readonly input?: FlowInput;
  /** Its arguments are a list of argument lists: it is run once with each. */
  readonly each?: true;
}

/** What a part of a workflow receives from those before it. */
export type FlowInput =
  /** An encoded value. */
  | { readonly value: unknown }
  /** The value of another part, read when the task starts: many share it. */
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

/** The data of a job with some of its message changed. */
export function amendMessage(text: string, change: Partial<Omit<Message, 'v' | 'args'>>): object {
  const { v: _, args, ...fields } = readMessage(text);
  return JSON.parse(writeMessage(JSON.stringify(args), { ...fields, ...change })) as object;
}

/** The data of a job that is to run again as if it had just been sent: an expiry that has passed would end it at once. */
export function renewMessage(text: string): object {
  const { v: _, args, revoked, tried, expires, eta, ...fields } = readMessage(text);
  return JSON.parse(writeMessage(JSON.stringify(args), fields)) as object;
}

/** How JSON writes what PostgreSQL's text refuses: NUL and lone surrogates. The arguments have their own envelope. */
const ODD_TEXT = /\\u(?:0000|d[89a-f])/;

function escapedFields(fields: object): object {
  return escapeTree(fields) as object;
}

/** A revocation, as the job carries it. */
export interface Revocation {
  readonly reason?: string;
  /** It ran by then, and runs on. */
  readonly started?: true;
  /** Which delivery of it ran. */
  readonly delivery?: number;
}

/**
 * Reads a job's data, which any program may have written: fields of a wrong type count as absent. Never throws.
 * @param text JSON text
 */
export function readMessage(text: string): Message {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return UNREADABLE; // no JSON: whoever reads the arguments says so
  }
  return messageFrom(data);
}

/** {@link readMessage} for data that BullMQ has parsed. */
export function messageFrom(data: unknown): Message {
  try {
    return fieldsOf(data);
  } catch {
    return UNREADABLE; // nested deeper than anything can go through
  }
}

/** A message that nobody can read. Its arguments are no list, which is what its task fails with. */
const UNREADABLE: Message = Object.freeze({ v: 0, args: 'unreadable data' });

/** {@link UNREADABLE} as a job's data. */
export const UNREADABLE_DATA = JSON.stringify(UNREADABLE);

function fieldsOf(data: unknown): Message {
  if (typeof data !== 'object' || data === null) return { v: 0, args: [] };
  const d = unescaped(data as Record<string, unknown>);
  // Most messages: nothing but arguments.
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
    ...text('tick'),
    ...count('tried'),
    ...number('expires'),
    ...number('eta'),
    ...limit('soft'),
    ...limit('hard'),
    ...(Array.isArray(d.propagate) && { propagate: d.propagate.filter((h) => typeof h === 'string') }),
    ...(isRecord(d.revoked) && {
      revoked: {
        ...(typeof d.revoked.reason === 'string' && { reason: d.revoked.reason }),
        ...(d.revoked.started === true && { started: true as const }),
        ...(typeof d.revoked.delivery === 'number' && { delivery: d.revoked.delivery }),
      },
    }),
    ...(d.each === true && { each: true as const }),
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

/** Which group a part belongs to, as far as the message says it rightly. */
function groupPlace({ group, index }: Record<string, unknown>): NonNullable<Message['flow']> {
  return {
    ...(typeof group === 'string' && { group }),
    ...(typeof index === 'number' && { index }),
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const MARK = '$celeriac';
const REPLACED = 'celeriac.replaced';
const LONGEST_MARK = 100;

/** The result of a task whose place a workflow has taken. */
export function replacedBy(flow: string): object {
  return { [MARK]: REPLACED, value: flow };
}

/** The workflow that took a task's place, from the task's stored result. */
export function replacementIn(returnvalue: string | undefined): string | undefined {
  if (returnvalue?.includes(REPLACED) !== true || returnvalue.length > LONGEST_MARK) return undefined;
  try {
    const value: unknown = JSON.parse(returnvalue);
    return isRecord(value) && value[MARK] === REPLACED && typeof value.value === 'string'
      ? value.value
      : undefined;
  } catch {
    return undefined; // another program's text: whoever reads results says what is wrong with it
  }
}

const ERROR_MARK = '\n    celeriac: ';

/** A stack for people with the encoded error behind it: BullMQ keeps one text per failed attempt. */
export function packStack(stack: string, wireError: unknown): string {
  return stack + ERROR_MARK + JSON.stringify(wireError);
}

/** {@link packStack} of a task that was revoked: only this says so, since a task may fail with the error of another one. */
export function packRevocation(stack: string, wireError: object): string {
  return packStack(stack, { ...wireError, revoked: true });
}

/** Whether a stored stack says that its task was revoked. */
export function isRevocationStack(packed: string): boolean {
  const { wireError } = unpackStack(packed);
  return isRecord(wireError) && wireError.revoked === true;
}

/** The two halves of {@link packStack}; a stack another program wrote has no second half. */
export function unpackStack(packed: string): { stack: string; wireError: unknown } {
  const at = packed.lastIndexOf(ERROR_MARK);
  if (at < 0) return { stack: packed, wireError: undefined };
  try {
    return { stack: packed.slice(0, at), wireError: JSON.parse(packed.slice(at + ERROR_MARK.length)) };
  } catch {
    // Cut short by somebody's limit: the readable half is what there is.
    return { stack: packed.slice(0, at), wireError: undefined };
  }
}
