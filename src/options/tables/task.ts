/**
 * The options of a task. A call and a route may also set the options that callers read, and three of those that the
 * worker reads.
 */

import type { Duration } from '../../duration.js';
import { OptionError } from '../../errors.js';
import { show } from '../../show.js';
import type { ArgsRepr } from '../args-repr.js';
import { type ErrorClass, errorClasses } from '../checks.js';
import { type Compression, type CompressOption, checkCompress } from '../compression.js';
import { checkDeclaredSchedules, type DeclaredSchedules } from '../declared-schedules.js';
import { backoffStart, type ErrorMatch, errorMatcher } from '../error-match.js';
import {
  checked,
  checkedByName,
  count,
  duration,
  expiry,
  flag,
  functionOf,
  of,
  oneOf,
  orForEver,
  orNone,
  priority,
  queueName,
  retries,
  timeLimit,
} from '../kinds.js';
import {
  type BatchOptions,
  type BatchPolicy,
  type ConcurrencyOptions,
  type ConcurrencyPolicy,
  resolveBatch,
  resolveConcurrency,
  resolveUnique,
  type UniqueOptions,
  type UniquePolicy,
} from '../limits.js';
import { option } from '../option.js';
import { type Rate, type RateLimit, toRate } from '../rates.js';
import { checkSerializer, type SerializerOption } from '../serializers.js';
import { tagsOf } from '../tags.js';
import { checkSize } from '../worker-values.js';

/** Read by the caller; also per call and by a route. */
export const PUBLISH_OPTIONS = {
  queue: option(queueName, { without: "the app's", doc: 'where it waits' }),
  priority: option(priority, { default: 0, doc: '0 is most urgent, up to 2,097,151' }),
  inheritPriority: option(flag, {
    default: false,
    doc: 'called inside a task, it has the priority of that one, unless its own or its call says one',
  }),
  expires: option(expiry, { without: 'never', doc: 'a duration from the call, or a moment' }),
  ignoreResult: option(flag, { default: false, doc: 'store no result' }),
  unique: option(orNone(checked<UniqueOptions, UniquePolicy>('object', resolveUnique)), {
    doc: 'at most one at a time: `{ key, ttl, mode }`, see [limits](../guide/limits.md); `null` for none',
  }),
  tags: option(checked<readonly string[], readonly string[]>('list', tagsOf), {
    without: 'none',
    doc: 'words to find and revoke it by; what it calls, and the parts of a workflow, have them too',
  }),
  serializer: option(checkedByName<SerializerOption, SerializerOption>('serializer', checkSerializer), {
    without: "the app's",
    doc: 'how its arguments and results are written: as for the app, or the name of one that the app knows',
  }),
  compress: option(checked<CompressOption, Compression | false>('size', checkCompress), {
    without: "the app's",
    doc: "arguments, results and chunks above this size are stored compressed: `'8kb'`, or `false` for none, see [payloads](../guide/payloads.md)",
  }),
  sensitive: option(flag, {
    without: '`false`',
    doc: 'show its arguments nowhere: see [payloads](../guide/payloads.md)',
  }),
};

/** Read by the worker; also per call and by a route. */
export const RUN_OPTIONS_PER_CALL = {
  maxRetries: option(orForEver(retries, Number.POSITIVE_INFINITY), {
    default: 3,
    doc: 'attempts after the first; `null` for ever',
  }),
  softTimeLimit: option(orNone(timeLimit), { doc: '`this.signal` aborts; `null` for none' }),
  timeLimit: option(orNone(timeLimit), { doc: 'FAILURE `TimeLimitExceeded`; `null` for none' }),
};

/** Read by the worker. */
export const RUN_OPTIONS = {
  ...RUN_OPTIONS_PER_CALL,
  autoretryFor: option(checked<ErrorMatch, (error: unknown) => boolean>('errors', errorMatcher), {
    doc: '`true`, an error class or several, or `(error) => boolean`, which must answer at once',
  }),
  dontAutoretryFor: option(checked<ErrorMatch, (error: unknown) => boolean>('errors', errorMatcher), {
    doc: 'exceptions to it',
  }),
  defaultRetryDelay: option(duration, { default: '3m', doc: 'delay without backoff' }),
  retryBackoff: option(
    of<boolean | Duration, number | undefined, 'Ms'>('duration', 'Ms', (value, name, { where }) =>
      backoffStart(value, `${where}: ${name}`),
    ),
    { without: 'off', doc: '`true` (1 s, doubling) or the first delay' },
  ),
  retryBackoffMax: option(duration, { default: '10m', doc: 'longest backoff' }),
  retryJitter: option(flag, { default: true, doc: 'a random share of each backoff' }),
  retryDelay: option(functionOf<(error: unknown, retries: number) => Duration>(), {
    doc: '`(error, retries) => duration`',
  }),
  acksLate: option(flag, { default: true, doc: '`false`: at most once' }),
  maxDeliveries: option(count, { default: 3, doc: 'how many workers may die under it' }),
  throws: option(checked<ErrorClass | readonly ErrorClass[], readonly ErrorClass[]>('errors', errorClasses), {
    default: [],
    without: 'none',
    doc: 'expected error classes, one or several: logged without a stack, rebuilt by `get()`',
  }),
  storeErrorsEvenIfIgnored: option(flag, { default: false, doc: 'keep a failure despite `ignoreResult`' }),
  pool: option(oneOf('async', 'threads'), {
    without: "worker's",
    doc: "`'async'` or `'threads'`: see [threads](../guide/threads.md)",
  }),
  rateLimit: option(orNone(checked<RateLimit, Rate>('rate', toRate)), {
    doc: "`'10/s'`, `'100/m'`, `'5/h'`, over the whole fleet; `null` for none: [limits](../guide/limits.md)",
  }),
  concurrency: option(orNone(checked<ConcurrencyOptions, ConcurrencyPolicy>('object', resolveConcurrency)), {
    doc: '`{ limit, key }`: how many run at once, over the whole fleet; `null` for none',
  }),
  batch: option(orNone(checked<BatchOptions, BatchPolicy>('object', resolveBatch)), {
    doc: '`{ size, wait }`: its code gets a list, one entry for each of several calls; `null` for none: [batches](../guide/batches.md)',
  }),
  streamMaxChunks: option(count, {
    default: 10_000,
    doc: 'how many of its last chunks a stream keeps: see [streams](../guide/streaming.md)',
  }),
  streamMaxBytes: option(checked<number | string, number>('size', checkSize), {
    default: '8mb',
    doc: "how large the kept chunks of a stream are together: bytes, or `'8mb'`",
  }),
};

/** All that `@Task` and `app.task` take. */
export const TASK_OPTIONS = {
  ...PUBLISH_OPTIONS,
  args: option(checked<readonly unknown[], readonly unknown[]>('list', listOfDeclarations), {
    doc: 'what the arguments must be: DTO classes or Standard Schemas, by position',
  }),
  argsRepr: option(functionOf<ArgsRepr>(), {
    doc: '`(...args) => text`: what is shown instead of its arguments, see [payloads](../guide/payloads.md)',
  }),
  schedule: option(checked<DeclaredSchedules, DeclaredSchedules>('schedule', checkDeclaredSchedules), {
    doc: 'runs it by itself: `crontab(...)`, `every(...)`, `at(...)`, with arguments or several: see [schedules](../guide/schedules.md)',
  }),
  ...RUN_OPTIONS,
};

function listOfDeclarations(args: unknown, where: string): readonly unknown[] {
  if (Array.isArray(args)) return args;
  throw new OptionError(`${where} must be a list, one declaration for each argument; got ${show(args)}.`);
}
