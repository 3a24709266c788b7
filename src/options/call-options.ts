/**
 * The options of one call: what `applyAsync` and `signature` take, read against the broker's clock.
 */
import { type Duration, type Moment, toEpochMs, toMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { type Acceptance, checkAcceptance } from './acceptance.js';
import {
  boolean,
  checkLimits,
  checkPriority,
  checkQueueName,
  optionalMs,
  toExpiry,
  toMaxRetries,
} from './checks.js';
import { resolveUnique, type UniquePolicy } from './limits.js';
import { merge, present } from './merge.js';
import { checkNames } from './names.js';
import { PUBLISH_NAMES, type PublishOptions } from './task-options.js';

/** A signature or workflow, as far as options know it. */
export interface CallbackSignature {
  readonly '~result': unknown;
  toJSON(): unknown;
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
  /** Called with the result once the task ended well: a signature, or several. */
  link?: CallbackSignature | Iterable<CallbackSignature>;
  /** Called with `(request, error)` once the task failed for good: a signature, or several. */
  linkError?: CallbackSignature | Iterable<CallbackSignature>;
  /** A name to show in logs and events instead of the task's. */
  shadow?: string;
  /** `'replicated'`: the call resolves once a replica of the (Redis) broker has the task. Default: the app's. */
  acceptance?: Acceptance;
}

/** What a route may decide: all but what makes a call this one call. */
export type RouteOptions = Omit<CallOptions, 'taskId' | 'headers' | 'link' | 'linkError'>;

export const ROUTE_NAMES: readonly string[] = [
  ...PUBLISH_NAMES,
  'countdown',
  'eta',
  'maxRetries',
  'softTimeLimit',
  'timeLimit',
  'shadow',
  'acceptance',
];

const CALL_NAMES: readonly string[] = [...ROUTE_NAMES, 'taskId', 'headers', 'link', 'linkError'];

/** Those of a call that may be null: for ever, or none. */
export const NULLABLE_OF_CALLS: readonly string[] = ['maxRetries', 'softTimeLimit', 'timeLimit', 'unique'];

/**
 * What a route decides of a task: nothing that the task's own options say.
 * @param own the names of the task's own options
 */
export function underTask(route: string | RouteOptions, own: ReadonlySet<string>): RouteOptions {
  const options = typeof route === 'string' ? { queue: route } : route;
  if (own.size === 0) return options;
  return Object.fromEntries(Object.entries(options).filter(([name]) => !own.has(name)));
}

/** The options of a call over those of its route. */
export function overRoute(route: RouteOptions | undefined, options: CallOptions): CallOptions {
  if (route === undefined) return options;
  const { countdown, eta, ...others } = route;
  // One due moment is enough, and the call's own is it.
  const timed = options.countdown !== undefined || options.eta !== undefined;
  return merge<CallOptions>(timed ? others : route, options);
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
  /** `null`: none, whatever the task says. */
  readonly softTimeLimitMs: number | null | undefined;
  readonly timeLimitMs: number | null | undefined;
  readonly shadow: string | undefined;
  readonly acceptance: Acceptance | undefined;
  /** `undefined`: as the task says; `null`: not this time. */
  readonly unique: UniquePolicy | null | undefined;
}

/** {@link ResolvedCall} of a call without options. */
export const NOTHING_SPECIAL: ResolvedCall = Object.freeze({
  queue: undefined,
  priority: undefined,
  expiresAt: undefined,
  delayMs: 0,
  etaAt: undefined,
  ignoreResult: undefined,
  taskId: undefined,
  headers: undefined,
  maxRetries: undefined,
  softTimeLimitMs: undefined,
  timeLimitMs: undefined,
  shadow: undefined,
  acceptance: undefined,
  unique: undefined,
});

/**
 * Reads the options of one call.
 * @param now the broker's clock, epoch ms
 * @param timezone where moments count that name no zone
 */
export function resolveCall(
  options: CallOptions,
  now: number,
  where: string,
  timezone?: string,
): ResolvedCall {
  checkNames(options, CALL_NAMES, where, NULLABLE_OF_CALLS);
  const { queue, priority, expires, ignoreResult, countdown, eta, taskId, headers, shadow } = options;
  if (queue !== undefined) checkQueueName(queue, where);
  if (countdown !== undefined && eta !== undefined) {
    throw new OptionError(`${where}: give countdown or eta, not both.`);
  }
  if (taskId !== undefined && (typeof taskId !== 'string' || taskId === '')) {
    throw new OptionError(`${where}: taskId must be a non-empty string, not ${show(taskId)}.`);
  }
  if (headers !== undefined && !isBag(headers)) {
    throw new OptionError(`${where}: headers must be an object of JSON data, not ${show(headers)}.`);
  }
  if (shadow !== undefined && typeof shadow !== 'string') {
    throw new OptionError(`${where}: shadow must be a string, not ${show(shadow)}.`);
  }
  const due =
    eta !== undefined ? toEpochMs(eta, `${where}: eta`, timezone) : now + countdownMs(countdown, where);
  const expiresAt = expires === undefined ? undefined : toExpiry(expires, now, `${where}: expires`, timezone);
  if (due > END_OF_TIME || (expiresAt ?? 0) > END_OF_TIME)
    throw new OptionError(
      `${where}: countdown, eta or expires is past the latest representable date (year 275760).`,
    );
  const soft = optionalMs(options.softTimeLimit, `${where}: softTimeLimit`);
  const hard = optionalMs(options.timeLimit, `${where}: timeLimit`);
  checkLimits(soft, hard, where);
  return {
    queue,
    priority: priority === undefined ? undefined : checkPriority(priority, where),
    expiresAt,
    delayMs: Math.max(0, Math.ceil(due - now)),
    etaAt: due > now ? due : undefined,
    ignoreResult:
      ignoreResult === undefined ? undefined : boolean(ignoreResult, false, `${where}: ignoreResult`),
    taskId,
    headers,
    maxRetries:
      options.maxRetries === undefined ? undefined : toMaxRetries(options.maxRetries, `${where}: maxRetries`),
    softTimeLimitMs: options.softTimeLimit === null ? null : soft,
    timeLimitMs: options.timeLimit === null ? null : hard,
    shadow,
    acceptance: checkAcceptance(options.acceptance, where),
    unique: options.unique === null ? null : resolveUnique(options.unique, `${where}: unique`),
  };
}

/** An object with properties; a Map or a list has none that would be sent. */
function isBag(value: unknown): boolean {
  try {
    return Object.prototype.toString.call(value) === '[object Object]';
  } catch {
    return false; // a revoked proxy
  }
}

/** No Date is later. */
const END_OF_TIME = 8.64e15;

function countdownMs(countdown: Duration | undefined, where: string): number {
  return countdown === undefined ? 0 : toMs(countdown, `${where}: countdown`);
}

/**
 * The argument list of a call; none is an empty one.
 * @throws {OptionError} for what is no list, a text above all, whose letters would be the arguments
 */
export function argumentsOf<A extends readonly unknown[]>(args: A | undefined, where: string): A {
  if (Array.isArray(args)) return args as unknown as A;
  if (args === undefined) return NO_ARGUMENTS as A;
  throw new OptionError(`${where}: the arguments must be a list, such as ['42'], not ${show(args)}.`);
}

const NO_ARGUMENTS: readonly unknown[] = Object.freeze([]);

/**
 * The options that are given, without those that are undefined.
 * @throws {OptionError} for what is no object of options, or has a name that no option has
 */
export function optionsOf(options: CallOptions | undefined, where: string): CallOptions {
  if (options === undefined) return {};
  checkNames(options, CALL_NAMES, where, NULLABLE_OF_CALLS);
  return present(options);
}
