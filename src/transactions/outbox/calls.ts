/**
 * The text of an outbox row: what one call sends. A line of JSON, then the messages and the plan as they are, since JSON
 * inside of JSON would grow by its escapes; the line says how long each is. Pure.
 */
import type { Plan } from '../../canvas/workflow/plan.js';
import type { UniquePolicy } from '../../options/limits.js';
import type { Envelope } from '../../queue/producer.js';

/** A unique key that is claimed at the relay. */
export interface KeyClaim {
  /** The task's name. */
  readonly name: string;
  /** Name of the key's record. */
  readonly key: string;
  readonly mode: UniquePolicy['mode'];
  readonly ttlMs?: number | undefined;
  /** The task that is to hold the key. */
  readonly holder: Pick<Envelope, 'taskId' | 'queue' | 'jobId'> & { readonly delayMs?: number };
}

/** The tasks of one call: one, or for `publish` many. */
export interface TaskCalls {
  readonly kind: 'tasks';
  readonly envelopes: readonly Envelope[];
  /** The caller's own id of the only task. */
  readonly own?: string;
  readonly unique?: KeyClaim;
}

/** A workflow. */
export interface FlowCall {
  readonly kind: 'flow';
  readonly flow: string;
  readonly plan: Plan;
  readonly unique?: KeyClaim;
  /** Sent once a replica of the broker has it. */
  readonly replicated?: true;
}

export type StoredCall = TaskCalls | FlowCall;

/** The line of JSON. `n`: the length of the text that belongs to it, in UTF-16 units. */
interface Head {
  readonly tasks?: readonly (Omit<Envelope, 'data'> & { readonly n: number })[];
  readonly flow?: string;
  readonly n?: number;
  readonly own?: string;
  readonly unique?: KeyClaim;
  readonly replicated?: true;
}

export function writeCall(call: StoredCall): string {
  const unique = call.unique === undefined ? {} : { unique: call.unique };
  if (call.kind === 'flow') {
    const plan = JSON.stringify(call.plan);
    const { flow, replicated } = call;
    const head: Head = { flow, n: plan.length, ...unique, ...(replicated && { replicated }) };
    return `${JSON.stringify(head)}\n${plan}`;
  }
  const own = call.own === undefined ? {} : { own: call.own };
  const tasks = call.envelopes.map(({ data, ...rest }) => ({ ...rest, n: data.length }));
  const head: Head = { tasks, ...own, ...unique };
  return `${JSON.stringify(head)}\n${call.envelopes.map(({ data }) => data).join('')}`;
}

/** @throws {SyntaxError} for a text that is none of ours */
export function readCall(text: string): StoredCall {
  const line = text.indexOf('\n');
  const head = JSON.parse(line < 0 ? '' : text.slice(0, line)) as Head;
  const { flow, tasks, n, own, unique, replicated } = head;
  const shared = unique === undefined ? {} : { unique };
  let at = line + 1;
  const next = (length: number) => {
    const part = text.slice(at, at + length);
    at += length;
    if (at > text.length) throw new SyntaxError('The row of the outbox is cut short.');
    return part;
  };
  if (flow !== undefined) {
    const plan = JSON.parse(next(n ?? 0)) as Plan;
    return { kind: 'flow', flow, plan, ...shared, ...(replicated && { replicated }) };
  }
  if (!Array.isArray(tasks)) throw new SyntaxError('The row of the outbox names no tasks.');
  const envelopes = (tasks as NonNullable<Head['tasks']>).map(({ n: length, ...rest }) => ({
    ...rest,
    data: next(length),
  }));
  return { kind: 'tasks', envelopes, ...shared, ...(own !== undefined && { own }) };
}

/** The ids that the caller got, with the names of their tasks. */
export function idsOf(call: StoredCall): readonly { readonly id: string; readonly name: string }[] {
  if (call.kind === 'tasks') return call.envelopes.map(({ taskId, name }) => ({ id: taskId, name }));
  return [{ id: call.flow, name: call.plan.root.kind }];
}
