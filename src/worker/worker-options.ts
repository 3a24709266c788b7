/** What a worker is made from: the users' options, what its app passes in, and the worker's description of itself. */
import { availableParallelism, hostname } from 'node:os';
import type { Engine } from '../broker/broker.js';
import type { WorkflowCheckupParams } from '../canvas/workflow/checkup.js';
import type { Asking } from '../control/caller.js';
import type { OwnCommands } from '../control/own-commands.js';
import type { RateLimits } from '../coordination/rate-limits.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import type { Duration } from '../duration.js';
import { OptionError } from '../errors.js';
import type { Events } from '../events/events.js';
import { checkLimits } from '../options/checks.js';
import type { Logger } from '../options/logger.js';
import { merge } from '../options/merge.js';
import { at } from '../options/option.js';
import { optionTable, type Resolved } from '../options/option-table.js';
import { checkDeclared, type DeclaredQueues } from '../options/queues.js';
import { WORKER_OPTIONS } from '../options/tables/worker.js';
import type {
  AutoscaleOptions,
  AutoscaleRange,
  HealthOptions,
  WeightedQueue,
} from '../options/worker-values.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import type { TaskReader } from '../results/task-reader.js';
import type { StreamWriters } from '../streams/stream-writers.js';
import type { TaskApp } from '../tasks/context.js';
import type { Registry } from '../tasks/registry.js';
import type { WorkerOutbox } from './relay-outbox.js';
import type { CallLimits } from './run/call-host.js';
import type { ExecutorParams } from './run/executor-params.js';
import type { PoolOptions } from './threads/router.js';
import type { WorkflowStepsParams } from './workflow/step.js';

/** Options of `app.worker()`. */
export interface WorkerOptions extends PoolOptions {
  /**
   * Queues to consume: names, or names and weights: `{ mail: 2, reports: 1 }` starts two tasks of `mail` for each of
   * `reports` while both have some. Default: all that the app declares, else its default queue.
   */
  queues?: readonly string[] | Readonly<Record<string, number>>;
  /** How many tasks run at once, over all queues. Default: the number of CPUs. */
  concurrency?: number;
  /** Lets the number of slots grow with the load, up to `max`, and shrink to `min` without load. Default: off. */
  autoscale?: AutoscaleOptions;
  /** The node's name; `%h` is the host name. Default: `celeriac@%h`. */
  name?: string;
  /** Logger of the worker, unless the app has a logger of its own. Default: the app's. */
  logger?: Logger;
  /** Soft time limit of tasks that have none of their own. Default: none (Celery: `--soft-time-limit`). */
  softTimeLimit?: Duration;
  /** Hard time limit of tasks that have none of their own. Default: none. */
  timeLimit?: Duration;
  /** How long `stop()` lets running tasks finish. Default: 30 s. */
  shutdownTimeout?: Duration;
  /** Serves `/live`, `/ready` and `/metrics` over HTTP. Default: not served. */
  health?: HealthOptions;
}

/** Options of `app.worker()` for a worker of several processes. */
export interface ProcessesOptions extends WorkerOptions {
  /** Number of processes. The other options, `concurrency` included, apply to each process. */
  processes: number;
}

/** What a worker needs from its app. */
export interface WorkerParams extends Omit<ExecutorParams, 'host' | 'limits' | 'unknown' | 'suspects'> {
  readonly streams: StreamWriters;
  readonly engine: Engine;
  readonly tasks: TaskReader;
  readonly registry: Registry;
  readonly app: TaskApp;
  /** Error classes that the app knows. */
  readonly errors: ErrorClasses;
  readonly appName: string;
  readonly prefix: string;
  readonly defaultQueue: string;
  /** The queues that it may take from; undefined: any. */
  readonly queues?: DeclaredQueues;
  readonly logger: Logger;
  readonly lockDurationMs: number;
  readonly unknownTaskGraceMs: number;
  readonly blockedLoopTimeoutMs: number;
  /** Broker URL for threads, or undefined if it cannot be shared. A function, so that the password is never enumerable. */
  brokerUrl(): string | undefined;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  readonly index: TaskIdIndex;
  readonly rates: RateLimits;
  readonly events: Events;
  readonly workflows: WorkflowStepsParams & WorkflowCheckupParams;
  /** Sends remote-control requests for tasks in threads. */
  readonly caller: Asking;
  /** The app's own commands of remote control. */
  readonly commands: OwnCommands;
  /** The app's effective options, as plain data without secrets. */
  conf(): Record<string, unknown>;
  /** The worker's part in running the schedules. */
  readonly scheduler: Background;
  /** The app's outbox, which the worker relays if there is one. */
  readonly outbox: WorkerOutbox;
  /** Creates the services that were registered as classes. */
  prepare(): Promise<void>;
  onStopped(): void;
}

/** Work in the background while a worker runs. `stop` never rejects and may be called twice. */
export interface Background {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What a start-up banner shows. */
export interface WorkerDescription {
  readonly app: string;
  readonly broker: string;
  readonly node: string;
  readonly pool: string;
  readonly concurrency: number;
  /** Number of running tasks; undefined for several processes, which must be asked. */
  readonly running?: number;
  /** Range in which autoscale changes `concurrency`; undefined without autoscale. */
  readonly autoscale: AutoscaleRange | undefined;
  /** Number of processes, each with that concurrency; undefined for this process alone. */
  readonly processes?: number;
  readonly queues: readonly { readonly name: string; readonly concurrency: number }[];
  readonly tasks: readonly string[];
}

const WORKER = optionTable<WorkerOptions & Partial<Pick<ProcessesOptions, 'processes'>>>()(WORKER_OPTIONS);
const WHERE = 'app.worker()';

type Limits = 'softTimeLimitMs' | 'timeLimitMs';

/** {@link WorkerOptions}, resolved. */
export interface WorkerSettings extends Omit<Resolved<typeof WORKER_OPTIONS>, Limits> {
  readonly queues: readonly WeightedQueue[];
  readonly concurrency: number;
  readonly limits: CallLimits;
}

/** @throws {OptionError} for an invalid option */
export function resolveWorkerOptions(
  options: WorkerOptions | ProcessesOptions,
  defaultQueue: string,
  declared?: DeclaredQueues,
): WorkerSettings {
  WORKER.checkNames(options, WHERE);
  const { softTimeLimitMs, timeLimitMs, ...settings } = WORKER.resolve(
    merge<WorkerOptions>({ queues: declared ?? [defaultQueue] }, options),
    at(WHERE),
  );
  const { autoscale, concurrency = autoscale?.min ?? availableParallelism(), queues = [] } = settings;
  for (const { name } of queues) checkDeclared(declared, name, `${WHERE}: queues`);
  checkLimits(softTimeLimitMs, timeLimitMs, WHERE);
  // Only an autoscale range may begin with no slot at all.
  if (concurrency === 0 && autoscale === undefined)
    throw new OptionError(`${WHERE}: concurrency 0 must be a whole number of 1 or more.`);
  return {
    ...settings,
    queues,
    concurrency,
    name: settings.name.replaceAll('%h', hostname()),
    limits: { softMs: softTimeLimitMs, hardMs: timeLimitMs },
  };
}
