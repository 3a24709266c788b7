/**
 * What a worker is made from: the options users give it, what its app hands it, and how it describes itself.
 */
import { availableParallelism, hostname } from 'node:os';
import type { Engine } from '../broker/broker.js';
import type { WorkflowCheckupParams } from '../canvas/workflow/checkup.js';
import type { Asking } from '../control/caller.js';
import type { RateLimits } from '../coordination/rate-limits.js';
import type { TaskIdIndex } from '../coordination/task-id-index.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import type { Events } from '../events/events.js';
import { checkLimits, checkQueueName, optionalMs } from '../options/checks.js';
import type { Logger } from '../options/logger.js';
import { checkNames } from '../options/names.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import type { TaskReader } from '../results/task-reader.js';
import { show } from '../show.js';
import type { TaskApp } from '../tasks/context.js';
import type { Registry } from '../tasks/registry.js';
import { checkHealth, type HealthOptions } from './observe/health-server.js';
import { type AutoscaleOptions, type AutoscaleRange, checkAutoscale } from './queues/autoscale.js';
import type { ExecutorParams } from './run/execute.js';
import type { CallLimits } from './run/running-call.js';
import { POOL_OPTIONS, type PoolOptions } from './threads/router.js';
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

/** A queue and its part of the worker's slots. */
export interface WeightedQueue {
  readonly name: string;
  readonly weight: number;
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

/** {@link WorkerOptions} beside those of its pool, resolved. */
export interface WorkerSettings {
  readonly queues: readonly WeightedQueue[];
  readonly concurrency: number;
  readonly autoscale: AutoscaleRange | undefined;
  readonly name: string;
  readonly shutdownTimeoutMs: number;
  readonly limits: CallLimits;
  readonly health: HealthOptions | undefined;
}

const NAMES: readonly string[] = [
  'queues',
  'concurrency',
  'autoscale',
  'name',
  'logger',
  'softTimeLimit',
  'timeLimit',
  'shutdownTimeout',
  'health',
  ...POOL_OPTIONS,
];
const WHERE = 'app.worker()';

/** @throws {OptionError} for an option that cannot be right */
export function resolveWorkerOptions(options: WorkerOptions, defaultQueue: string): WorkerSettings {
  checkNames(options, NAMES, WHERE);
  const softMs = optionalMs(options.softTimeLimit, `${WHERE}: softTimeLimit`);
  const hardMs = optionalMs(options.timeLimit, `${WHERE}: timeLimit`);
  checkLimits(softMs, hardMs, WHERE);
  const autoscale =
    options.autoscale === undefined ? undefined : checkAutoscale(options.autoscale, `${WHERE}: autoscale`);
  return {
    queues: checkQueues(options.queues ?? [defaultQueue]),
    concurrency: checkConcurrency(options.concurrency ?? autoscale?.min ?? availableParallelism(), autoscale),
    autoscale,
    name: checkNodeName(options.name ?? 'celeriac@%h').replaceAll('%h', hostname()),
    shutdownTimeoutMs: toPositiveMs(options.shutdownTimeout ?? '30s', `${WHERE}: shutdownTimeout`),
    limits: { softMs, hardMs },
    health: checkHealth(options.health, WHERE),
  };
}

function checkNodeName(name: unknown): string {
  if (typeof name === 'string' && name !== '') return name;
  throw new OptionError(`${WHERE}: name ${show(name)} must be a node's name, such as 'mail@%h'.`);
}

function checkQueues(queues: NonNullable<WorkerOptions['queues']>): readonly WeightedQueue[] {
  const where = `${WHERE}: queues`;
  const weights = isList(queues) ? queues.map((name) => [name, 1] as const) : Object.entries(queues);
  for (const [name, weight] of weights) {
    checkQueueName(name, where);
    if (!Number.isInteger(weight) || weight < 1)
      throw new OptionError(
        `${where}: the weight ${String(weight)} of "${name}" must be a whole number of 1 or more.`,
      );
  }
  if (weights.length === 0) throw new OptionError(`${where} is empty; name at least one.`);
  return [...new Map(weights)].map(([name, weight]) => ({ name, weight }));
}

function isList(queues: NonNullable<WorkerOptions['queues']>): queues is readonly string[] {
  return Array.isArray(queues);
}

/** Where it begins; with autoscale it goes on from there. */
function checkConcurrency(n: unknown, autoscale: AutoscaleRange | undefined): number {
  const least = autoscale === undefined ? 1 : 0;
  if (typeof n === 'number' && Number.isInteger(n) && n >= least) return n;
  throw new OptionError(`${WHERE}: concurrency ${String(n)} must be a whole number of 1 or more.`);
}
