/**
 * The options of a task: their types, defaults and checks. Read at the edge (`@Task`, `app.task`, `taskDefaults`) and
 * resolved there into policies, so inner code has no `?` and no second opinion about a default.
 */
import { type Duration, type Moment, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import {
  boolean,
  checkLimits,
  checkPool,
  checkPriority,
  checkQueueName,
  type ErrorClass,
  errorClasses,
  func,
  isClass,
  isErrorClass,
  optionalMs,
  positiveInteger,
  toExpiry,
  toMaxRetries,
} from './checks.js';
import {
  type ConcurrencyOptions,
  type ConcurrencyPolicy,
  resolveConcurrency,
  resolveUnique,
  type UniqueOptions,
  type UniquePolicy,
} from './limits.js';
import { merge } from './merge.js';
import { checkNames } from './names.js';
import { type Rate, type RateLimit, toRate } from './rates.js';
import { checkSchedule, type Schedule } from './schedules.js';

type ErrorMatch = true | ErrorClass | readonly ErrorClass[] | ((error: unknown) => boolean);

/** Options read by the caller, also per call. */
export interface PublishOptions {
  /** Queue to send to. Default: `defaultQueue` of the app, after `routes`. */
  queue?: string;
  /** 0 is most urgent and the default; larger runs later. Up to 2,097,151. Equal ones run first in, first out. */
  priority?: number;
  /** Not started by then: REVOKED, worker or not. A duration from now, or a moment. Default: never. */
  expires?: Duration | Moment;
  /** Store no result; fire and forget. Default: false (Celery: `ignore_result`). */
  ignoreResult?: boolean;
  /** At most one such task at a time in the whole fleet, from the call until its end. Default: no limit. */
  unique?: UniqueOptions | null;
}

/** Options read by the worker. Those that `applyAsync` takes as well say so. */
export interface RunOptions {
  /** Attempts after the first; `null` retries for ever. Default: 3. Also per call. */
  maxRetries?: number | null;
  /** Errors that retry by themselves: all (`true`), a class or several, or a predicate. Default: none. */
  autoretryFor?: ErrorMatch;
  /** Exceptions to `autoretryFor`. */
  dontAutoretryFor?: ErrorMatch;
  /** Delay before a retry when `retryBackoff` is off. Default: 3 minutes (Celery: `default_retry_delay`). */
  defaultRetryDelay?: Duration;
  /** Exponential delays: `true` starts at 1 s, a duration starts there; each retry doubles it. Default: off. */
  retryBackoff?: boolean | Duration;
  /** Largest backoff delay. Default: 10 minutes. */
  retryBackoffMax?: Duration;
  /** Pick each backoff delay at random between 0 and its value (full jitter). Default: true. */
  retryJitter?: boolean;
  /** Your own rule for the delay; wins over the others. `retries` counts from 0. */
  retryDelay?: (error: unknown, retries: number) => Duration;
  /** `this.signal` aborts with SoftTimeLimitExceeded after this long. Default: none. Also per call. */
  softTimeLimit?: Duration | null;
  /** FAILURE TimeLimitExceeded after this long. Default: none. Also per call. */
  timeLimit?: Duration | null;
  /** Keep the error of a failed task even with `ignoreResult`. Default: false. */
  storeErrorsEvenIfIgnored?: boolean;
  /** `false`: at most once; a dead worker's task fails with WorkerLostError. Default: true, at least once. */
  acksLate?: boolean;
  /** How many workers may die under a task before it fails with WorkerLostError. Default: 3. */
  maxDeliveries?: number;
  /** Expected errors, a class or several: logged without a stack, and rebuilt with their own class by `get()`. */
  throws?: ErrorClass | readonly ErrorClass[];
  /**
   * `'threads'`: code that computes for long runs in a thread of the worker's, which time limits and `terminate` really
   * end. Default: the worker's own `pool`, which is `'async'` unless it says otherwise.
   */
  pool?: 'async' | 'threads';
  /**
   * No window of the period sees more starts than this, over the whole fleet; other tasks go on meanwhile. Changed at
   * runtime with `app.control.rateLimit`. Default: none (Celery: `rate_limit`, which is per worker).
   */
  rateLimit?: RateLimit | null;
  /** How many of these run at once, over the whole fleet, in all or for each key. Default: no limit. */
  concurrency?: ConcurrencyOptions | null;
}

/** What `@Task` and `app.task` take. */
export interface TaskOptions extends PublishOptions, RunOptions {
  /** What the arguments must be: class-validator DTO classes, or Standard Schemas (zod, valibot, arktype). */
  args?: readonly unknown[];
  /**
   * Runs it by itself, without arguments, while a worker that declares this lives: `crontab(...)` or `every(...)`. The
   * schedule's name is the task's. Default: none.
   */
  schedule?: Schedule;
}

/** {@link RunOptions}, resolved. */
export interface RunPolicy {
  readonly maxRetries: number;
  readonly autoretryFor: (error: unknown) => boolean;
  readonly defaultRetryDelayMs: number;
  readonly retryBackoffMs: number | undefined;
  readonly retryBackoffMaxMs: number;
  readonly retryJitter: boolean;
  readonly retryDelay: ((error: unknown, retries: number) => Duration) | undefined;
  readonly softTimeLimitMs: number | undefined;
  readonly timeLimitMs: number | undefined;
  readonly storeErrorsEvenIfIgnored: boolean;
  readonly acksLate: boolean;
  readonly maxDeliveries: number;
  readonly throws: readonly ErrorClass[];
  /** Undefined: as the worker likes. */
  readonly pool: 'async' | 'threads' | undefined;
  readonly rateLimit: Rate | undefined;
  readonly concurrency: ConcurrencyPolicy | undefined;
  /** Every error class named here: rebuilt as itself by `get()`. */
  readonly namedErrors: readonly ErrorClass[];
}

/** {@link PublishOptions} of a task, resolved as far as they can be before the call. */
export interface PublishPolicy {
  readonly queue: string | undefined;
  readonly priority: number;
  readonly expires: Duration | Moment | undefined;
  readonly ignoreResult: boolean;
  readonly unique: UniquePolicy | undefined;
}

export const PUBLISH_NAMES = ['queue', 'priority', 'expires', 'ignoreResult', 'unique'] as const;

const RUN_NAMES = [
  'maxRetries',
  'autoretryFor',
  'dontAutoretryFor',
  'defaultRetryDelay',
  'retryBackoff',
  'retryBackoffMax',
  'retryJitter',
  'retryDelay',
  'softTimeLimit',
  'timeLimit',
  'storeErrorsEvenIfIgnored',
  'acksLate',
  'maxDeliveries',
  'throws',
  'pool',
  'rateLimit',
  'concurrency',
] as const;

const TASK_NAMES: readonly string[] = [...PUBLISH_NAMES, ...RUN_NAMES, 'args', 'schedule', 'name'];

const NULLABLE: readonly string[] = [
  'maxRetries',
  'softTimeLimit',
  'timeLimit',
  'unique',
  'rateLimit',
  'concurrency',
];

/** Checks the whole of a task's options where they are written; nothing is resolved yet. */
export function checkTaskOptions(options: TaskOptions, where: string): void {
  checkNames(options, TASK_NAMES, where, NULLABLE);
  if (options.args !== undefined && !Array.isArray(options.args))
    throw new OptionError(
      `${where}: args must be a list, one declaration for each argument; got ${show(options.args)}.`,
    );
  if (options.schedule !== undefined) checkSchedule(options.schedule, `${where}: schedule`);
  resolvePublishPolicy(options, {}, where);
  resolveRunPolicy(options, {}, where);
}

/** Merges a task's publish options over the app's `taskDefaults`. */
export function resolvePublishPolicy(
  options: TaskOptions,
  defaults: TaskOptions,
  where: string,
): PublishPolicy {
  const { queue, priority, expires, ignoreResult, unique } = merge<TaskOptions>(defaults, options);
  if (queue !== undefined) checkQueueName(queue, where);
  if (expires !== undefined) toExpiry(expires, 0, `${where}: expires`);
  return {
    queue,
    priority: checkPriority(priority ?? 0, where),
    expires,
    ignoreResult: boolean(ignoreResult, false, `${where}: ignoreResult`),
    unique: resolveUnique(unique, `${where}: unique`),
  };
}

/** Merges a task's run options over the app's `taskDefaults`, with every default filled in. */
export function resolveRunPolicy(options: TaskOptions, defaults: TaskOptions, where: string): RunPolicy {
  const o = merge<TaskOptions>(defaults, options);
  const soft = optionalMs(o.softTimeLimit, `${where}: softTimeLimit`);
  const hard = optionalMs(o.timeLimit, `${where}: timeLimit`);
  checkLimits(soft, hard, where);
  const auto = matcher(o.autoretryFor, `${where}: autoretryFor`);
  const dont = matcher(o.dontAutoretryFor, `${where}: dontAutoretryFor`);
  return {
    maxRetries: toMaxRetries(o.maxRetries === undefined ? 3 : o.maxRetries, `${where}: maxRetries`),
    autoretryFor: (error) => auto(error) && !dont(error),
    defaultRetryDelayMs: toPositiveMs(o.defaultRetryDelay ?? '3m', `${where}: defaultRetryDelay`),
    retryBackoffMs: backoffStart(o.retryBackoff, `${where}: retryBackoff`),
    retryBackoffMaxMs: toPositiveMs(o.retryBackoffMax ?? '10m', `${where}: retryBackoffMax`),
    retryJitter: boolean(o.retryJitter, true, `${where}: retryJitter`),
    retryDelay: func(o.retryDelay, `${where}: retryDelay`),
    softTimeLimitMs: soft,
    timeLimitMs: hard,
    storeErrorsEvenIfIgnored: boolean(
      o.storeErrorsEvenIfIgnored,
      false,
      `${where}: storeErrorsEvenIfIgnored`,
    ),
    acksLate: boolean(o.acksLate, true, `${where}: acksLate`),
    maxDeliveries: positiveInteger(o.maxDeliveries ?? 3, `${where}: maxDeliveries`),
    throws: errorClasses(o.throws ?? [], `${where}: throws`),
    pool: o.pool === undefined ? undefined : checkPool(o.pool, where),
    rateLimit: o.rateLimit == null ? undefined : toRate(o.rateLimit, `${where}: rateLimit`),
    concurrency: resolveConcurrency(o.concurrency, `${where}: concurrency`),
    namedErrors: [o.throws, o.autoretryFor, o.dontAutoretryFor].flatMap(classesIn),
  };
}

/** Whether tasks of this policy wait in a lane of their own, where they hold up nobody else. */
export function needsLane(policy: RunPolicy): boolean {
  const { rateLimit, concurrency } = policy;
  return rateLimit !== undefined || (concurrency !== undefined && concurrency.key === undefined);
}

function backoffStart(value: boolean | Duration | undefined, where: string): number | undefined {
  if (value === undefined || value === false) return undefined;
  return value === true ? 1000 : toPositiveMs(value, where);
}

function classesIn(named: ErrorMatch | undefined): readonly ErrorClass[] {
  if (isErrorClass(named)) return [named];
  return Array.isArray(named) ? (named as readonly ErrorClass[]) : [];
}

function matcher(match: ErrorMatch | undefined, where: string): (error: unknown) => boolean {
  if (match === undefined) return () => false;
  if (match === true) return () => true;
  if (Array.isArray(match) || isErrorClass(match)) {
    const classes = errorClasses(match, where);
    return (error) => classes.some((cls) => error instanceof cls);
  }
  if (typeof match === 'function') return predicate(match as (error: unknown) => unknown, where);
  throw new OptionError(
    `${where} must be true, a class that extends Error, a list of such, or a function that answers at once; ` +
      `got ${show(match)}.`,
  );
}

/** A promise would always count as yes, so what may give one is refused: here where it can be seen, else when it is asked. */
function predicate(decide: (error: unknown) => unknown, where: string): (error: unknown) => boolean {
  if (isClass(decide)) throw new OptionError(`${where}: ${show(decide)} does not extend Error.`);
  if (Object.prototype.toString.call(decide) === '[object AsyncFunction]')
    throw new OptionError(`${where}: ${show(decide)} is async. Give a function that answers at once.`);
  return (error) => {
    const answer = decide(error);
    if (isThenable(answer))
      throw new OptionError(
        `${where}: ${show(decide)} gave a promise. Give a function that answers at once.`,
      );
    return Boolean(answer);
  };
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
