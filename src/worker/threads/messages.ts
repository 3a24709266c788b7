/**
 * The messages between a worker and one of its threads, in both directions. Every message must survive structured
 * cloning. Errors travel in the wire form of `protocol/wire-error`, so that none of their fields is lost.
 */
import type { MessagePort } from 'node:worker_threads';
import type { AppOverrides } from '../../app-overrides.js';
import type { EngineKind } from '../../broker/broker.js';
import type { AskOptions } from '../../control/caller.js';
import type { CommandName, Commands } from '../../control/commands.js';
import type { TrailEntry } from '../../coordination/trail.js';
import type { WireError } from '../../protocol/wire-error.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RetryChange } from '../../queue/settlement.js';
import type { OwnEvent } from '../../tasks/own-events.js';
import type { CallLimits } from '../run/call-host.js';
import type { Outcome } from '../run/outcome.js';

/** Set-up of a new thread (`workerData`). */
export interface ThreadSetup {
  readonly port: MessagePort;
  /** The app module, absolute. */
  readonly file: string;
  readonly appName: string;
  readonly prefix: string;
  readonly overrides: AppOverrides;
  /** One number of this thread's own: 1 while a message waits that its code should read. */
  readonly mailbox: Int32Array;
  /** One number for the whole pool: 1 once the worker stops. */
  readonly stopping: Int32Array;
  /** Name of the worker's node, perhaps not its final one. */
  readonly node: string;
  /** True to measure and report the memory held after each task. */
  readonly reportMemory: boolean;
  readonly broker: BrokerFacts;
}

/** What the thread's app may know of a broker that it does not connect to itself. */
export interface BrokerFacts {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess: boolean;
  /** Whether its signals arrive in order. */
  readonly ordered: boolean;
}

/** A delivery without its functions and its rate token, which write to the broker. */
export type PlainDelivery = {
  readonly [K in keyof Omit<Delivery, 'turn'> as NonNullable<Delivery[K]> extends (
    ...args: never[]
  ) => unknown
    ? never
    : K]: Delivery[K];
};

/** Worker to thread. */
export type ToThread =
  | {
      readonly kind: 'run';
      readonly delivery: PlainDelivery;
      readonly limits: CallLimits;
      readonly node: string;
    }
  /** Run the calls of a batch together. */
  | {
      readonly kind: 'batch';
      readonly members: readonly { readonly delivery: PlainDelivery; readonly limits: CallLimits }[];
      readonly node: string;
    }
  /** A task's outcome is written: run its hooks. The task ran here, or in a thread that is busy or gone. */
  | {
      readonly kind: 'hooks';
      readonly delivery: PlainDelivery;
      readonly limits: CallLimits;
      readonly node: string;
      readonly outcome: CrossedOutcome;
    }
  /** End: tell the listeners of the lifecycle, and answer `leaving`. */
  | { readonly kind: 'end' }
  /** Abort the signal of the running task, or of the one of a batch whose run has this token. */
  | { readonly kind: 'abort'; readonly reason: WireError; readonly token: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: RpcReply }
  /** A notice on one of the broker's topics. */
  | { readonly kind: 'notice'; readonly topic: string }
  /** Notices may have been missed. */
  | { readonly kind: 'gap' };

/** Thread to worker. */
export type FromThread =
  /** Can run tasks; `listens` if it wants to be asked to end. */
  | { readonly kind: 'ready'; readonly listens: boolean }
  /** The listeners of its end are through. */
  | { readonly kind: 'leaving' }
  /** The module could not be loaded; the thread is useless. */
  | { readonly kind: 'failed'; readonly error: WireError }
  | {
      readonly kind: 'ended';
      readonly outcome: CrossedOutcome;
      readonly heldBytes: number;
      readonly trail?: readonly TrailEntry[] | undefined;
    }
  /** The calls of a batch have ended, in their order. */
  | { readonly kind: 'batch-ended'; readonly outcomes: readonly CrossedOutcome[]; readonly heldBytes: number }
  /** The requested hooks have ended. */
  | { readonly kind: 'hooked' }
  | { readonly kind: 'log'; readonly line: LogLine }
  | { readonly kind: 'ask'; readonly id: number; readonly request: Request };

/** A thread's requests to its worker. */
export type Request =
  | { readonly to: 'progress'; readonly progress: object; readonly token: string }
  | { readonly to: 'event'; readonly event: OwnEvent; readonly token: string }
  | {
      readonly to: 'control';
      readonly command: CommandName;
      readonly args: Commands[CommandName]['args'];
      readonly options: AskOptions;
    }
  | { readonly to: 'engine'; readonly method: EngineMethod; readonly args: readonly unknown[] }
  | {
      readonly to: 'queues' | 'places' | 'steps' | 'streams';
      readonly method: string;
      readonly args: readonly unknown[];
    }
  | {
      readonly to: 'backend';
      readonly queue: string;
      readonly method: string;
      readonly args: readonly unknown[];
    };

/** The engine calls that threads make; notices replace its `signals`. */
export type EngineMethod =
  | 'ready'
  | 'addTogether'
  | 'flowCreate'
  | 'flowWrite'
  | 'flowRead'
  | 'flowExpire'
  | 'flowWatch'
  | 'flowUnwatch'
  | 'flowDue'
  | 'flowRemove'
  | 'serverTime'
  | 'readJobs'
  | 'readEnded'
  | 'readHeads'
  | 'readDelayed'
  | 'replicationBegin'
  | 'replicationConfirm'
  | 'amendData'
  | 'create'
  | 'read'
  | 'replace'
  | 'remove'
  | 'broadcast'
  | 'notify'
  | 'subscribe'
  | 'unsubscribe';

export type RpcReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: WireError; readonly unavailable: boolean };

/** An outcome in transit: the value as JSON text, errors in wire form. */
export type CrossedOutcome =
  | { readonly kind: 'success'; readonly json: string | undefined; readonly ends?: true }
  | { readonly kind: 'failure'; readonly error: WireError; readonly rejected?: true }
  | {
      readonly kind: 'retry';
      readonly error: WireError;
      readonly delayMs: number;
      readonly change?: RetryChange;
    }
  | Exclude<Outcome, { kind: 'success' | 'failure' | 'retry' }>;

/** A line of `this.log`. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  /** Fields, as plain JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Fields that hold errors. */
  readonly errors: Readonly<Record<string, WireError>>;
}
