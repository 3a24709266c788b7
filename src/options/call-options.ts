/**
 * The options of one call: what `applyAsync` and `signature` take, read against the broker's clock. `tables/call`
 * defines the accepted values.
 */
import type { Duration, Moment } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import type { Acceptance } from './acceptance.js';
import { checkLimits } from './checks.js';
import { merge, present } from './merge.js';
import { optionTable, type Provided } from './option-table.js';
import { CALL_OPTIONS, type CallbackSignature, ROUTE_OPTIONS, SEND_OPTIONS } from './tables/call.js';
import { bothTags } from './tags.js';
import type { PublishOptions } from './task-options.js';
import type { TransactionOption } from './transaction.js';

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

/** What `applyAsync` and `sendTask` take. */
export interface SendOptions extends CallOptions {
  /**
   * How long this call keeps trying to reach the broker, in all (Celery: `retry`, `retry_policy`). Of single tasks. With an
   * id of your own or a unique key no longer than the app's. Default: the app's `publishRetry`.
   */
  publishRetry?: Duration;
  /**
   * Your own database transaction, to which the call then belongs: a client of `pg`, or made by `fromDrizzle` and the
   * like of `celeriac/transactions`. The task exists once it is committed.
   */
  transaction?: TransactionOption;
}

/** Options that a route may set: all except those of an individual call. */
export type RouteOptions = Omit<CallOptions, 'taskId' | 'headers' | 'link' | 'linkError' | 'serializer'>;

/** Reads the options of a route. */
export const ROUTE = optionTable<RouteOptions>()(ROUTE_OPTIONS);
const CALL = optionTable<CallOptions>()(CALL_OPTIONS);
const SEND = optionTable<SendOptions>()(SEND_OPTIONS);

/**
 * The options of a route, without those that the task sets itself.
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
  // The call's own due moment replaces the route's `countdown` or `eta`.
  const timed = options.countdown !== undefined || options.eta !== undefined;
  const tags = bothTags(route.tags, options.tags);
  return merge<CallOptions>(timed ? others : route, options, tags);
}

/** {@link CallOptions} of one call, resolved against the clock; `null` means none, overriding the task's. */
export interface ResolvedCall
  extends Omit<Provided<typeof CALL_OPTIONS>, 'countdownMs' | 'link' | 'linkError'> {
  readonly delayMs: number;
}

/** {@link ResolvedCall} of a call without options. */
export const NOTHING_SPECIAL: ResolvedCall = Object.freeze({
  queue: undefined,
  priority: undefined,
  inheritPriority: undefined,
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
  tags: undefined,
  unique: undefined,
  serializer: undefined,
  compress: undefined,
  sensitive: undefined,
});

/**
 * Reads the options of one call.
 * @param now the broker's clock, epoch ms
 * @param timezone the zone of moments that name none
 */
export function resolveCall(
  options: CallOptions,
  now: number,
  where: string,
  timezone?: string,
): ResolvedCall {
  const given = CALL.readGiven(options, { where, now, timezone });
  const { countdownMs, etaAt, expiresAt, softTimeLimitMs, timeLimitMs } = given;
  if (countdownMs !== undefined && etaAt !== undefined)
    throw new OptionError(`${where}: give countdown or eta, not both.`);
  const due = etaAt ?? now + (countdownMs ?? 0);
  if (due > END_OF_TIME || (expiresAt ?? 0) > END_OF_TIME)
    throw new OptionError(
      `${where}: countdown, eta or expires is past the latest representable date (year 275760).`,
    );
  checkLimits(softTimeLimitMs ?? undefined, timeLimitMs ?? undefined, where);
  return {
    queue: given.queue,
    priority: given.priority,
    inheritPriority: given.inheritPriority,
    expiresAt,
    delayMs: Math.max(0, Math.ceil(due - now)),
    etaAt: due > now ? due : undefined,
    ignoreResult: given.ignoreResult,
    taskId: given.taskId,
    headers: given.headers,
    maxRetries: given.maxRetries,
    softTimeLimitMs,
    timeLimitMs,
    shadow: given.shadow,
    acceptance: given.acceptance,
    tags: given.tags,
    unique: given.unique,
    serializer: given.serializer,
    compress: given.compress,
    sensitive: given.sensitive,
  };
}

/** The latest Date, epoch ms. */
const END_OF_TIME = 8.64e15;

/**
 * The argument list of a call, empty if it is undefined.
 * @throws {OptionError} for anything but a list, above all for a text, whose letters would become the arguments
 */
export function argumentsOf<A extends readonly unknown[]>(args: A | undefined, where: string): A {
  if (Array.isArray(args)) return args as unknown as A;
  if (args === undefined) return NO_ARGUMENTS as A;
  throw new OptionError(`${where}: the arguments must be a list, such as ['42'], not ${show(args)}.`);
}

const NO_ARGUMENTS: readonly unknown[] = Object.freeze([]);

/**
 * The given options, without those that are undefined.
 * @throws {OptionError} for anything but an object, and for an unknown name
 */
export function optionsOf(options: CallOptions | undefined, where: string): CallOptions {
  if (options === undefined) return {};
  CALL.checkNames(options, where);
  return present(options);
}

/** As {@link optionsOf}, for what is sent now, which may belong to a transaction. */
export function sendOptionsOf(options: SendOptions | undefined, where: string): SendOptions {
  if (options === undefined) return {};
  SEND.checkNames(options, where);
  return present(options);
}
