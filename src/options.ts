/**
 * Every option once: its type, default, unit and check. Options are read at the edge (the constructor, `@Task`,
 * `applyAsync`) and resolved there, so inner code has no `?` and no second opinion about a default.
 */
import { type Duration, type Moment, toEpochMs, toMs, toPositiveMs } from './duration.js';
import { OptionError } from './errors.js';
import {
  type ConcurrencyOptions,
  type ConcurrencyPolicy,
  resolveConcurrency,
  resolveUnique,
  type UniqueOptions,
  type UniquePolicy,
} from './limit-options.js';
import { checkNames } from './option-names.js';
import { type Rate, type RateLimit, toRate } from './rates.js';

export { checkNames, nearest } from './option-names.js';

/** Where log lines go: pino's call shape, so a pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

type ErrorClass = abstract new (...args: never[]) => Error;
type ErrorMatch = true | readonly ErrorClass[] | ((error: unknown) => boolean);

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
  /** Errors that retry by themselves: all (`true`), classes, or a predicate. Default: none. */
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
  /** Expected errors: logged without a stack, and rebuilt with their own class by `get()`. */
  throws?: readonly ErrorClass[];
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
}

/** What `applyAsync` and `signature` take. */
export interface CallOptions extends PublishOptions {
  /** Start this long after the call. Negative means now. */
  countdown?: Duration;
  /** Start at this moment, never earlier by the broker's clock. */
  eta?: Moment;
  /** Your own id: any string, unique in the app while the task's record is kept. */
  taskId?: string;
  /** Free JSON data for middleware and `this.request.headers`. */
  headers?: Readonly<Record<string, unknown>>;
  maxRetries?: number | null;
  softTimeLimit?: Duration | null;
  timeLimit?: Duration | null;
  /** A name to show in logs and events instead of the task's. */
  shadow?: string;
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

const PUBLISH_NAMES = ['queue', 'priority', 'expires', 'ignoreResult', 'unique'] as const;
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
const TASK_NAMES: readonly string[] = [...PUBLISH_NAMES, ...RUN_NAMES, 'args', 'name'];
const CALL_NAMES: readonly string[] = [
  ...PUBLISH_NAMES,
  'countdown',
  'eta',
  'taskId',
  'headers',
  'maxRetries',
  'softTimeLimit',
  'timeLimit',
  'shadow',
];

/** Checks the whole of a task's options where they are written; nothing is resolved yet. */
export function checkTaskOptions(options: TaskOptions, where: string): void {
  checkNames(options, TASK_NAMES, where);
  resolvePublishPolicy(options, {}, where);
  resolveRunPolicy(options, {}, where);
}

/** Merges a task's publish options over the app's `taskDefaults`. */
export function resolvePublishPolicy(
  options: TaskOptions,
  defaults: TaskOptions,
  where: string,
): PublishPolicy {
  const { queue, priority, expires, ignoreResult, unique } = { ...defaults, ...options };
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
  const o = { ...defaults, ...options };
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
    namedErrors: [
      ...(o.throws ?? []),
      ...(Array.isArray(o.autoretryFor) ? (o.autoretryFor as ErrorClass[]) : []),
    ],
  };
}

/** Whether tasks of this policy wait in a lane of their own, where they hold up nobody else. */
export function needsLane(policy: RunPolicy): boolean {
  const { rateLimit, concurrency } = policy;
  return rateLimit !== undefined || (concurrency !== undefined && concurrency.key === undefined);
}

/** {@link CallOptions} of one call, resolved against the clock. */
export interface ResolvedCall {
  readonly queue: string | undefined;
  readonly priority: number | undefined;
  readonly expiresAt: number | undefined;
  readonly delayMs: number;
  readonly etaAt: number | undefined;
  readonly ignoreResult: boolean | undefined;
  readonly taskId: string | undefined;
  readonly headers: Readonly<Record<string, unknown>> | undefined;
  readonly maxRetries: number | undefined;
  readonly softTimeLimitMs: number | undefined;
  readonly timeLimitMs: number | undefined;
  readonly shadow: string | undefined;
  /** `undefined`: as the task says; `null`: not this time. */
  readonly unique: UniquePolicy | null | undefined;
}

/**
 * Reads the options of one call.
 * @param now the broker's clock, epoch ms
 */
export function resolveCall(options: CallOptions, now: number, where: string): ResolvedCall {
  checkNames(options, CALL_NAMES, where);
  const { queue, priority, expires, ignoreResult, countdown, eta, taskId, headers, shadow } = options;
  if (queue !== undefined) checkQueueName(queue, where);
  if (countdown !== undefined && eta !== undefined) {
    throw new OptionError(`${where}: give countdown or eta, not both.`);
  }
  if (taskId !== undefined && (typeof taskId !== 'string' || taskId === '')) {
    throw new OptionError(`${where}: taskId must be a non-empty string, not ${show(taskId)}.`);
  }
  if (headers !== undefined && (typeof headers !== 'object' || headers === null || Array.isArray(headers))) {
    throw new OptionError(`${where}: headers must be an object of JSON data, not ${show(headers)}.`);
  }
  if (shadow !== undefined && typeof shadow !== 'string') {
    throw new OptionError(`${where}: shadow must be a string, not ${show(shadow)}.`);
  }
  const due = eta !== undefined ? toEpochMs(eta, `${where}: eta`) : now + countdownMs(countdown, where);
  const soft = optionalMs(options.softTimeLimit, `${where}: softTimeLimit`);
  const hard = optionalMs(options.timeLimit, `${where}: timeLimit`);
  checkLimits(soft, hard, where);
  return {
    queue,
    priority: priority === undefined ? undefined : checkPriority(priority, where),
    expiresAt: expires === undefined ? undefined : toExpiry(expires, now, `${where}: expires`),
    delayMs: Math.max(0, Math.ceil(due - now)),
    etaAt: due > now ? due : undefined,
    ignoreResult:
      ignoreResult === undefined ? undefined : boolean(ignoreResult, false, `${where}: ignoreResult`),
    taskId,
    headers,
    maxRetries:
      options.maxRetries === undefined ? undefined : toMaxRetries(options.maxRetries, `${where}: maxRetries`),
    softTimeLimitMs: soft,
    timeLimitMs: hard,
    shadow,
    unique: options.unique === null ? null : resolveUnique(options.unique, `${where}: unique`),
  };
}

function countdownMs(countdown: Duration | undefined, where: string): number {
  return countdown === undefined ? 0 : toMs(countdown, `${where}: countdown`);
}

/** Epoch ms at which something expires: a duration counts from `now`. */
export function toExpiry(expires: Duration | Moment, now: number, where: string): number {
  if (expires instanceof Date) return toEpochMs(expires, where);
  if (typeof expires === 'string' && /^\d{4}-/.test(expires)) return toEpochMs(expires, where);
  return now + toMs(expires, where);
}

/** @throws {OptionError} for names BullMQ or our own ids cannot carry */
export function checkQueueName(queue: unknown, where: string): asserts queue is string {
  const bad = typeof queue !== 'string' || queue === '' || /[:~\s]/.test(queue);
  if (bad) {
    throw new OptionError(
      `${where}: ${show(queue)} is not a queue name. Use a non-empty string without ":", "~" and white space.`,
    );
  }
}

function checkPriority(priority: unknown, where: string): number {
  if (typeof priority === 'number' && Number.isInteger(priority) && priority >= 0 && priority <= 2_097_151) {
    return priority;
  }
  throw new OptionError(
    `${where}: priority ${show(priority)} must be a whole number from 0 (most urgent) to 2097151.`,
  );
}

function checkLimits(soft: number | undefined, hard: number | undefined, where: string): void {
  if (soft !== undefined && hard !== undefined && soft > hard) {
    throw new OptionError(
      `${where}: softTimeLimit (${soft} ms) is longer than timeLimit (${hard} ms), so it could never act.`,
    );
  }
}

function toMaxRetries(value: unknown, where: string): number {
  if (value === null) return Number.POSITIVE_INFINITY;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new OptionError(
    `${where} must be a whole number of 0 or more, or null for ever; got ${show(value)}.`,
  );
}

function backoffStart(value: boolean | Duration | undefined, where: string): number | undefined {
  if (value === undefined || value === false) return undefined;
  return value === true ? 1000 : toPositiveMs(value, where);
}

function optionalMs(value: Duration | null | undefined, where: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const result = toMs(value, where);
  if (result > 0) return result;
  throw new OptionError(`${where}: ${show(value)} must be longer than 0.`);
}

function matcher(match: ErrorMatch | undefined, where: string): (error: unknown) => boolean {
  if (match === undefined) return () => false;
  if (match === true) return () => true;
  if (Array.isArray(match)) {
    const classes = errorClasses(match, where);
    return (error) => classes.some((cls) => error instanceof cls);
  }
  if (typeof match === 'function') return match as (error: unknown) => boolean;
  throw new OptionError(`${where} must be true, a list of error classes, or a function; got ${show(match)}.`);
}

function errorClasses(value: unknown, where: string): readonly ErrorClass[] {
  if (Array.isArray(value) && value.every((cls) => typeof cls === 'function')) return value as ErrorClass[];
  throw new OptionError(`${where} must be a list of error classes; got ${show(value)}.`);
}

/** @throws {OptionError} for anything but a pool's name */
export function checkPool(pool: unknown, where: string): 'async' | 'threads' {
  if (pool === 'async' || pool === 'threads') return pool;
  throw new OptionError(`${where}: pool ${show(pool)} must be 'async' or 'threads'.`);
}

function boolean(value: unknown, fallback: boolean, where: string): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw new OptionError(`${where} must be true or false; got ${show(value)}.`);
}

function func<F>(value: F | undefined, where: string): F | undefined {
  if (value === undefined || typeof value === 'function') return value;
  throw new OptionError(`${where} must be a function; got ${show(value)}.`);
}

function positiveInteger(value: unknown, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
  throw new OptionError(`${where} must be a whole number of 1 or more; got ${show(value)}.`);
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? 'a list' : String(value);
}
