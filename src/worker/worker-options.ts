/**
 * What a worker is made from: the options users give it, what its app hands it, and how it describes itself.
 */
import { availableParallelism, hostname } from 'node:os';
import type { Engine } from '../broker/broker.js';
import type { WorkflowCheckupParams } from '../canvas/workflow/checkup.js';
import type { Asking } from '../control/caller.js';
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
import { WORKER_OPTIONS } from '../options/tables/worker.js';
import type {
  AutoscaleOptions,
  AutoscaleRange,
  HealthOptions,
  WeightedQueue,
} from '../options/worker-values.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import type { TaskReader } from '../results/task-reader.js';
import type { TaskApp } from '../tasks/context.js';
import type { Registry } from '../tasks/registry.js';
import type { ExecutorParams } from './run/execute.js';
import type { CallLimits } from './run/running-call.js';
import type { PoolOptions } from './threads/router.js';
import type { WorkflowStepsParams } from './workflow/step.js';

/** What `app.worker()` takes. */
export interface WorkerOptions extends PoolOptions {
  /**
   * Queues to consume: names, or names and weights: `{ mail: 2, reports: 1 }` starts two tasks of `mail` for each of
   * `reports` while both have some. Default: the app's default queue.
   */
  queues?: readonly string[] | Readonly<Record<string, number>>;
  /** How many tasks run at once, over all queues. Default: the number of CPUs. */
  concurrency?: number;
  /** Lets the slots grow with the load, up to `max`, and shrink to `min` without. Default: off. */
  autoscale?: AutoscaleOptions;
  /** The node's name; `%h` is the host name. Default: `celeriac@%h`. */
  name?: string;
  /** Where the worker's log lines go, unless the app was given a logger. Default: the app's. */
  logger?: Logger;
  /** Soft time limit of tasks that have none of their own. Default: none (Celery: `--soft-time-limit`). */
  softTimeLimit?: Duration;
  /** Hard time limit of tasks that have none of their own. Default: none. */
  timeLimit?: Duration;
  /** How long `stop()` lets running tasks finish. Default: 30 s. */
  shutdownTimeout?: Duration;
  /** Answers `/live`, `/ready` and `/metrics` over HTTP. Default: nowhere. */
  health?: HealthOptions;
}

/** What `app.worker()` takes for a worker of several processes. */
export interface ProcessesOptions extends WorkerOptions {
  /** How many; each has the other options to itself, `concurrency` included. */
  processes: number;
}

/** What a worker needs of its app. */
export interface WorkerParams extends Omit<ExecutorParams, 'host' | 'limits' | 'unknown' | 'suspects'> {
  readonly engine: Engine;
  readonly tasks: TaskReader;
  readonly registry: Registry;
  readonly app: TaskApp;
  /** Error classes the app knows. */
  readonly errors: ErrorClasses;
  readonly appName: string;
  readonly prefix: string;
  readonly defaultQueue: string;
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
  /** Asks workers, for tasks in threads. */
  readonly caller: Asking;
  /** The app's options in force, as plain data without secrets. */
  conf(): Record<string, unknown>;
  /** Its part in the schedules. */
  readonly scheduler: Background;
  /** Makes the services that were registered as classes. */
  prepare(): Promise<void>;
  onStopped(): void;
}

/** What goes on beside the tasks while a worker runs. `stop` never rejects, and may be called twice. */
export interface Background {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What a banner shows. */
export interface WorkerDescription {
  readonly app: string;
  readonly broker: string;
  readonly node: string;
  readonly pool: string;
  readonly concurrency: number;
  /** How many tasks run; undefined for several processes, which have to be asked. */
  readonly running?: number;
  /** The range that `concurrency` moves in by itself; undefined where it stays. */
  readonly autoscale: AutoscaleRange | undefined;
  /** How many processes, each with that concurrency; undefined for this process alone. */
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

/** @throws {OptionError} for an option that cannot be right */
export function resolveWorkerOptions(
  options: WorkerOptions | ProcessesOptions,
  defaultQueue: string,
): WorkerSettings {
  WORKER.checkNames(options, WHERE);
  const { softTimeLimitMs, timeLimitMs, ...settings } = WORKER.resolve(
    merge<WorkerOptions>({ queues: [defaultQueue] }, options),
    at(WHERE),
  );
  const { autoscale, concurrency = autoscale?.min ?? availableParallelism(), queues = [] } = settings;
  checkLimits(softTimeLimitMs, timeLimitMs, WHERE);
  // No slot at all is where a range may begin.
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
