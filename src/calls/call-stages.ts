/** The shapes of a call on its way from its options to the broker: the data of each stage, without behaviour. */

import type { CallOptions } from '../options/call-options.js';
import type { FlowInput, Message } from '../protocol/message.js';
import type { Envelope } from '../queue/producer.js';
import type { OpenSpan } from '../queue/tracing.js';
import type { AsyncResult } from '../results/async-result.js';
import type { CallTarget } from '../tasks/registry.js';
import type { Addressed, MessageFields } from './message-fields.js';
import type { UniqueCall } from './unique.js';

/** Runs calls in this process instead of sending them to the broker. */
export interface Detour {
  /** Whether publish middleware runs for them. */
  readonly sends: boolean;
  run<R>(envelope: Envelope): Promise<AsyncResult<R>>;
  /** The result of a call that ran here, if it is kept. */
  find?<R, C>(taskId: string): AsyncResult<R, C> | undefined;
}

/** A call made later, when the previous step of its workflow has ended. */
export interface PreparedCall {
  /** The trace it was made in, if tracing is on. */
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

/** A moment, or a delay that counts from when the call's turn comes. */
export type Instant = { readonly at: number } | { readonly inMs: number };

/** A call without an id of its own, callbacks or a unique key. */
export interface PlainCall {
  readonly target: CallTarget;
  readonly args: readonly unknown[];
  readonly options: CallOptions;
}

/** A call as it is sent, with what must be known about it then. */
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
  /** Present if tracing is on. */
  readonly span?: OpenSpan;
}

/** A call going through the middleware, which may add headers. */
export interface ThroughMiddleware extends Outgoing {
  readonly headers: Record<string, unknown>;
  readonly propagated: string[];
}

/** Decisions made about a call before it is sent. */
export interface Decided {
  /** Where it runs instead of the broker; `null`: nowhere else. Default: as for every call. */
  readonly detour?: Detour | null;
  /** The queue or lane it goes to. */
  readonly place?: string;
  /** How long it may keep trying to reach the broker, ms. Default: as long as every call. */
  readonly retryMs?: number;
  /** What precedes its arguments. */
  readonly input?: FlowInput;
  /** The group it is a member of, when that group runs in this process. */
  readonly group?: { readonly group: string; readonly index: number };
  /** A schedule's tick: every sender gives its task the same id, so sending it again adds nothing. */
  readonly tick?: { readonly taskId: string; readonly addition: string };
}
