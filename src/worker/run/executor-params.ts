/** What an executor is made with, and what it asks of others. */

import type { BrokerClock } from '../../broker/clock.js';
import type { DeclaredQueues } from '../../options/queues.js';
import type { ErrorClasses } from '../../protocol/wire-error.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Tracing } from '../../queue/tracing.js';
import type { Stepping } from '../../steps/call-steps.js';
import type { StreamWriters } from '../../streams/stream-writers.js';
import type { RunMiddleware } from '../../tasks/middleware.js';
import type { RegisteredTask, Registry } from '../../tasks/registry.js';
import type { WireCodec } from '../../tasks/wire-codec.js';
import type { Seat, Together } from '../batches/seat.js';
import type { Limits } from '../queues/limits.js';
import type { Spawns } from '../workflow/spawn.js';
import type { WorkflowSteps } from '../workflow/step.js';
import type { CallHost, CallLimits } from './call-host.js';
import type { LateHooks, Outcome } from './outcome.js';
import type { RunningCall } from './running-call.js';
import type { Suspects } from './suspects.js';
import type { UnknownTasks } from './unknown-tasks.js';

/** What the executor needs. */
export interface ExecutorParams {
  readonly registry: Registry;
  readonly clock: BrokerClock;
  readonly codec: WireCodec;
  /** Time zone of moments that name none. */
  readonly timezone: string;
  /** The queues that a task may go to; undefined: any. */
  readonly queues?: DeclaredQueues;
  /** Rebuilds the errors passed to errbacks. */
  readonly errors: ErrorClasses;
  /** Advances workflows; undefined where a task runs in its caller's process or in a thread. */
  readonly flows?: WorkflowSteps | undefined;
  readonly middleware: readonly RunMiddleware[];
  readonly host: CallHost;
  /** Decides about tasks unknown here. */
  readonly unknown?: UnknownTasks;
  /** Decides about tasks under which a worker has died. */
  readonly suspects?: Suspects;
  /** Time limits of tasks without their own. */
  readonly defaultLimits?: CallLimits;
  /** Runs the attempts of some tasks in threads. */
  readonly elsewhere?: Elsewhere | undefined;
  /** Starts replacements and added group members. */
  readonly spawning?: Spawns | undefined;
  /** Keeps the steps of tasks. */
  readonly stepping?: Stepping | undefined;
  /** Takes the chunks that tasks yield. */
  readonly streams?: Pick<StreamWriters, 'open'>;
  /** The fleet's limits; undefined where a task runs in its caller's process. */
  readonly limits?: Limits;
  /** Collects the calls of batch tasks. Elsewhere such a call is a batch of its own. */
  readonly batches?: Gathering;
  /** A worker refuses to start when its clock is off the broker's by more than half of this. */
  readonly lockDurationMs?: number;
  /** Creates a span for each attempt. */
  readonly tracing?: Tracing | undefined;
  /** Notified of attempts that begin. */
  readonly watch?: RunWatch;
  /** True for a run in the caller's process: `request.isEager`. */
  readonly eager?: boolean;
  /** Creates the services that were registered as classes since the worker's start. */
  prepare?(): Promise<void>;
}

/** What a call that waited for others gets: its seat in a batch that begins, or what ends it instead. */
export type Admission = { readonly seat: Seat<RunningCall> } | { readonly outcome: Outcome };

/** Lets the calls of batch tasks wait for others. */
export interface Gathering {
  /** Whether the call waits. */
  takes(delivery: Delivery, task: RegisteredTask): boolean;
  join(delivery: Delivery, task: RegisteredTask): Promise<Admission>;
}

/** Listener for attempts that begin. */
export interface RunWatch {
  readonly active: boolean;
  started(delivery: Delivery): void;
}

/** Runs attempts elsewhere: in threads. */
export interface Elsewhere {
  takes(task: RegisteredTask): boolean;
  /** Rejects when the attempt was lost there. */
  run(call: RunningCall): Promise<Outcome>;
  /** Runs the calls of a batch in one thread; each share is the outcome of a call. */
  together(calls: readonly RunningCall[]): Together;
  /** The hooks of a call whose task has some. */
  hooksOf(call: RunningCall): LateHooks;
}

/** A task that was fetched but does not run yet. */
export interface HeldTask {
  readonly delivery: Delivery;
  readonly args: readonly unknown[];
}
