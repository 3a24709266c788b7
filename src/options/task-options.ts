/**
 * The options of a task, as users see them. They are read at the edge (`@Task`, `app.task`, `taskDefaults`) and
 * resolved there into policies, so that inner code has no optional values and no defaults of its own. `tables/task`
 * defines the accepted values.
 */
import type { Duration, Moment } from '../duration.js';
import { TimeLimitExceeded } from '../errors.js';
import type { ArgsRepr } from './args-repr.js';
import { checkLimits, type ErrorClass } from './checks.js';
import type { CompressOption } from './compression.js';
import type { DeclaredSchedules } from './declared-schedules.js';
import { classesIn, type ErrorMatch } from './error-match.js';
import type { BatchOptions, ConcurrencyOptions, UniqueOptions } from './limits.js';
import { merge } from './merge.js';
import { at } from './option.js';
import { optionTable, type Resolved } from './option-table.js';
import type { RateLimit } from './rates.js';
import type { SerializerOption } from './serializers.js';
import { PUBLISH_OPTIONS, RUN_OPTIONS, TASK_OPTIONS } from './tables/task.js';
import { allTags } from './tags.js';

/** Options read by the caller, also per call. */
export interface PublishOptions {
  /** Queue to send to. Default: `defaultQueue` of the app, after `routes`. */
  queue?: string;
  /** 0 is most urgent and the default; larger runs later. Up to 2,097,151. Equal ones run first in, first out. */
  priority?: number;
  /**
   * Called inside another task, it has the priority of that one, unless it or its call has one of its own. Default: false
   * (Celery: `task_inherit_parent_priority`).
   */
  inheritPriority?: boolean;
  /** Not started by then: REVOKED, worker or not. A duration from now, or a moment. Default: never. */
  expires?: Duration | Moment;
  /** Store no result; fire and forget. Default: false (Celery: `ignore_result`). */
  ignoreResult?: boolean;
  /** At most one such task at a time in the whole fleet, from the call until its end. Default: no limit. */
  unique?: UniqueOptions | null;
  /**
   * Words to find and revoke it by, such as `'tenant:42'` (Celery: stamps). Those of the task, of the call, of the
   * workflow around it and of the task that calls it add up. Up to 50, of 1 to 200 characters. Default: none.
   */
  tags?: readonly string[];
  /**
   * How its arguments, results, chunks and states are written: as the app's option, or the name of one that the app knows.
   * Default: the app's.
   */
  serializer?: SerializerOption;
  /**
   * Arguments, results and chunks larger than this are stored compressed: bytes, or `'8kb'`; `false` for never. Default: the
   * app's.
   */
  compress?: CompressOption;
  /**
   * Show its arguments nowhere: not in `inspect`, events, logs, snapshots, schedules, on the page, nor in the errors of
   * their checks. The task itself gets them. Default: false.
   */
  sensitive?: boolean;
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
   * No window of the period sees more starts than this, over the whole fleet; other tasks run meanwhile. Changed at
   * runtime with `app.control.rateLimit`. Default: none (Celery: `rate_limit`, which is per worker).
   */
  rateLimit?: RateLimit | null;
  /** How many of these run at once, over the whole fleet, in all or for each key. Default: no limit. */
  concurrency?: ConcurrencyOptions | null;
  /**
   * The code gets a list with one entry for each of up to `size` calls, which wait for each other for `wait` at most. Each
   * caller passes one entry and gets its own result. Default: none.
   */
  batch?: BatchOptions | null;
  /** How many of its last chunks a stream keeps; older ones are dropped. Default: 10,000. */
  streamMaxChunks?: number;
  /** How large the kept chunks of a stream are together; the oldest are dropped. Default: `'8mb'`. */
  streamMaxBytes?: number | string;
}

/** What `@Task` and `app.task` take. */
export interface TaskOptions extends PublishOptions, RunOptions {
  /** What the arguments must be: class-validator DTO classes, or Standard Schemas (zod, valibot, arktype). */
  args?: readonly unknown[];
  /**
   * What is shown instead of its arguments, called with them (Celery: `argsrepr`). Default: the arguments.
   * @example argsRepr: (orderId: string, card: string) => `${orderId}, card …${card.slice(-4)}`
   */
  argsRepr?: ArgsRepr;
  /**
   * Runs it by itself while a worker that declares this lives: `crontab(...)`, `every(...)`, `at(...)`, an object of your
   * own `{ next(after) }`, or one of these with arguments: `{ when, args }`. Its name is the task's. Several have names of
   * their own: a list of `{ name, when, args }`, or a map. Default: none.
   */
  schedule?: DeclaredSchedules;
}

const PUBLISH = optionTable<PublishOptions>()(PUBLISH_OPTIONS);
const RUN = optionTable<RunOptions>()(RUN_OPTIONS);
const TASK = optionTable<TaskOptions>()(TASK_OPTIONS);

type Matchers = 'autoretryFor' | 'dontAutoretryFor';

/** {@link RunOptions}, resolved. Without a pool the worker's applies. */
export interface RunPolicy extends Omit<Resolved<typeof RUN_OPTIONS>, Matchers> {
  readonly autoretryFor: (error: unknown) => boolean;
  /** `autoretryFor` names the error of a hard time limit, or is a predicate, which may. */
  readonly retriesTimeLimit: boolean;
  /** Every error class named here: rebuilt as itself by `get()`. */
  readonly namedErrors: readonly ErrorClass[];
}

/** {@link PublishOptions} of a task, resolved as far as they can be before the call. */
export interface PublishPolicy extends Omit<Resolved<typeof PUBLISH_OPTIONS>, 'expiresAt'> {
  readonly expires: Duration | Moment | undefined;
}

/** Checks all of a task's options where they are written; resolves nothing yet. */
export function checkTaskOptions(options: TaskOptions, where: string): void {
  const { softTimeLimitMs, timeLimitMs } = TASK.readGiven(options, at(where));
  checkLimits(softTimeLimitMs ?? undefined, timeLimitMs ?? undefined, where);
}

/** Merges a task's publish options over the app's `taskDefaults`. */
export function resolvePublishPolicy(
  options: TaskOptions,
  defaults: TaskOptions,
  where: string,
): PublishPolicy {
  const merged = merge<TaskOptions>(defaults, options);
  const { expiresAt: _, tags, ...policy } = PUBLISH.resolve(merged, at(where));
  return {
    ...policy,
    tags: tags === undefined ? undefined : allTags(defaults.tags, tags),
    expires: merged.expires,
  };
}

/** Merges a task's run options over the app's `taskDefaults`, with every default filled in. */
export function resolveRunPolicy(options: TaskOptions, defaults: TaskOptions, where: string): RunPolicy {
  const merged = merge<TaskOptions>(defaults, options);
  const { autoretryFor = nothing, dontAutoretryFor = nothing, ...policy } = RUN.resolve(merged, at(where));
  checkLimits(policy.softTimeLimitMs, policy.timeLimitMs, where);
  return {
    ...policy,
    autoretryFor: (error) => autoretryFor(error) && !dontAutoretryFor(error),
    retriesTimeLimit: namesTimeLimit(merged.autoretryFor),
    namedErrors: [merged.throws, merged.autoretryFor, merged.dontAutoretryFor].flatMap(classesIn),
  };
}

const nothing = () => false;

/** `true` and other classes are about what the task's code throws; at its hard limit it throws nothing. */
function namesTimeLimit(match: ErrorMatch | undefined): boolean {
  const classes = classesIn(match);
  if (classes.length > 0) return classes.includes(TimeLimitExceeded);
  return typeof match === 'function';
}

/** True if tasks of this policy wait in a lane of their own, where they delay no other task. */
export function needsLane(policy: RunPolicy): boolean {
  const { rateLimit, concurrency } = policy;
  return rateLimit !== undefined || (concurrency !== undefined && concurrency.key === undefined);
}
