/**
 * A call on its way from its options to the broker: the shapes it takes. What each stage knows, and no behaviour.
 */

import type { CallOptions } from '../options/call-options.js';
import type { FlowInput, Message } from '../protocol/message.js';
import type { Envelope } from '../queue/producer.js';
import type { OpenSpan } from '../queue/tracing.js';
import type { AsyncResult } from '../results/async-result.js';
import type { CallTarget } from '../tasks/registry.js';
import type { Addressed, MessageFields } from './message-fields.js';
import type { UniqueCall } from './unique.js';

/** Where calls go instead of the broker: they run in this process. */
export interface Detour {
  /** Whether publish middleware sees them. */
  readonly sends: boolean;
  run<R>(envelope: Envelope): Promise<AsyncResult<R>>;
  /** The result of a call that went this way, where it is kept. */
  find?<R>(taskId: string): AsyncResult<R> | undefined;
}

/** A call that is made later, by whoever finishes the step before it. */
export interface PreparedCall {
  /** The trace it was made in, where somebody traces. */
  readonly trace: string | undefined;
  /** The encoded arguments, as JSON text. */
  readonly packed: string;
  /** The queue, or the task's lane there. */
  readonly queue: string;
  readonly taskId: string | undefined;
  readonly priority: number;
  readonly fields: Omit<Message, 'v' | 'args' | 'expires' | 'eta'>;
  readonly expires: Instant | undefined;
  readonly due: Instant | undefined;
}

/** A moment, or one that counts from when its turn comes. */
export type Instant = { readonly at: number } | { readonly inMs: number };

/** A call that wants no id of its own, no callbacks, and not to be the only one. */
export interface PlainCall {
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  readonly options: CallOptions;
}

/** A call as it goes to the broker, and what is to be known of it then. */
export interface Written {
  readonly envelope: Envelope;
  readonly name: string;
  readonly ignoreResult: boolean;
  readonly fields: MessageFields;
  readonly unique: UniqueCall | undefined;
  /** The caller's own id. */
  readonly custom: string | undefined;
}

/** A call on its way out. */
export interface Outgoing extends Addressed {
  readonly detour: Detour | null;
  readonly args: readonly unknown[];
  /** The encoded arguments, as JSON text. */
  readonly packed: string;
  readonly options: CallOptions;
  readonly settled: Decided;
  /** Where somebody traces. */
  readonly span?: OpenSpan;
}

/** A call on its way through the middleware, which may add headers. */
export interface ThroughMiddleware extends Outgoing {
  readonly headers: Record<string, unknown>;
  readonly propagated: string[];
}

/** What has been decided about a call before it is sent. */
export interface Decided {
  /** Where it goes instead of the broker; `null`: nowhere else. Default: as every call. */
  readonly detour?: Detour | null;
  /** The queue or lane it goes to. */
  readonly place?: string;
  /** What stands before its arguments. */
  readonly input?: FlowInput;
  /** The group it is a member of, where that runs in this process. */
  readonly group?: { readonly group: string; readonly index: number };
  /** A schedule's tick: its task's id is the same whoever sends it, and sending it again adds nothing. */
  readonly tick?: { readonly taskId: string; readonly addition: string };
}
