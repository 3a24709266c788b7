/**
 * The options of `new Celeriac(name, options)`, each once: type, default, unit, check, environment twin.
 * Resolving does no I/O.
 */

import { type Duration, toPositiveMs } from './duration.js';
import { OptionError } from './errors.js';
import { type Acceptance, checkAcceptance } from './options/acceptance.js';
import { boolean, checkQueueName } from './options/checks.js';
import { checkLogger, LOG_LEVELS, type Logger, type LogLevel } from './options/logger.js';
import { checkNames } from './options/names.js';
import { readable } from './options/readable.js';
import type { Routes } from './options/routes.js';
import { checkTimezone } from './options/schedules.js';
import { checkTaskOptions, type TaskOptions } from './options/task-options.js';
import type { Telemetry } from './queue/tracing.js';
import { show } from './show.js';
import type { Serializer } from './tasks/serializer.js';

/** Makes (or finds) the instance of a service class that was registered as a class. */
export interface Container {
  get<T>(cls: abstract new (...args: never[]) => T): T | Promise<T>;
}

/** What `new Celeriac(name, options)` takes. */
export interface CeleriacOptions {
  /**
   * Where tasks wait: a URL (`redis:// rediss:// unix:// sentinel:// cluster:// clusters:// postgres:// memory://
   * file://`), an ioredis client, or a `pg.Pool`. Default: `CELERIAC_BROKER_URL`, else `redis://127.0.0.1:6379/0`.
   */
  broker?: string | object;
  /** Separates apps on one broker. Default: `CELERIAC_PREFIX`, else the app's name. */
  prefix?: string;
  /** Where calls go that no route or option sends elsewhere. Default: `celeriac`. */
  defaultQueue?: string;
  /** The zone of schedules and moments that name none. Default: `UTC`. */
  timezone?: string;
  /** How long the records of succeeded tasks are kept; `null` for ever. Default: 1 day. */
  resultExpires?: Duration | null;
  /** How long the records of failed and revoked tasks are kept; `null` for ever. Default: 7 days. */
  failureExpires?: Duration | null;
  /** How arguments and results are written. Default: `'json'`. */
  serializer?: 'json' | 'rich' | Serializer;
  /** Where log lines go. Default: warnings and errors to the console. */
  logger?: Logger;
  /** Makes the instances of services registered as classes. Default: `new Class()`. */
  container?: Container;
  /** How long a call keeps trying to reach the broker, in total. Default: 1 s. */
  publishRetry?: Duration;
  /**
   * When a call counts as accepted: `'written'`, once the broker has the task, or `'replicated'`, once a replica of it has
   * it too (Redis, Sentinel and Cluster). Default: `'written'`.
   */
  acceptance?: Acceptance;
  /** Largest encoded arguments or result, in bytes. Default: no limit. */
  maxPayloadBytes?: number;
  /** How long a silent worker keeps a task before others may take it over. Default: 5 s. */
  lockDuration?: Duration;
  /** How long a task may keep the event loop busy before its worker counts as lost. Default: 60 s. */
  blockedLoopTimeout?: Duration;
  /** How long an unknown task name is handed back before it fails with NotRegisteredError. Default: 1 minute. */
  unknownTaskGrace?: Duration;
  /** Create or upgrade the PostgreSQL schema on first use. Default: false. */
  migrate?: boolean;
  /** `delay()` and `applyAsync()` run the task here and now; no broker is asked. Default: false. */
  taskAlwaysEager?: boolean;
  /** A task that fails here and now throws its error at the call. Default: false (Celery: `task_eager_propagates`). */
  taskEagerPropagates?: boolean;
  /** Which queue (and options) a task goes to by its name. The call's own options win. */
  routes?: Routes;
  /**
   * Traces calls and runs: an object with BullMQ's telemetry interface, such as `new BullMQOtel('app')` of `bullmq-otel`.
   * Default: none.
   */
  telemetry?: Telemetry;
  /** Defaults for every task option. */
  taskDefaults?: TaskOptions;
}

/** A century: no broker counts without an end. */
const FOR_EVER_MS = 100 * 365.25 * 24 * 3_600_000;

/** {@link CeleriacOptions}, resolved. */
export interface AppConfig {
  readonly name: string;
  readonly broker: string | object;
  readonly prefix: string;
  readonly defaultQueue: string;
  readonly timezone: string;
  readonly resultExpiresMs: number;
  readonly failureExpiresMs: number;
  readonly serializer: 'json' | 'rich' | Serializer;
  readonly logger: Logger;
  /** Whether the app was given a logger. */
  readonly hasOwnLogger: boolean;
  readonly container: Container;
  readonly publishRetryMs: number;
  readonly acceptance: Acceptance;
  readonly maxPayloadBytes: number | undefined;
  readonly lockDurationMs: number;
  readonly blockedLoopTimeoutMs: number;
  readonly unknownTaskGraceMs: number;
  readonly migrate: boolean;
  readonly taskAlwaysEager: boolean;
  readonly taskEagerPropagates: boolean;
  readonly routes: Routes | undefined;
  readonly telemetry: Telemetry | undefined;
  readonly taskDefaults: TaskOptions;
}

const NAMES: readonly string[] = [
  'broker',
  'prefix',
  'defaultQueue',
  'timezone',
  'resultExpires',
  'failureExpires',
  'serializer',
  'logger',
  'container',
  'publishRetry',
  'acceptance',
  'maxPayloadBytes',
  'lockDuration',
  'blockedLoopTimeout',
  'unknownTaskGrace',
  'migrate',
  'taskAlwaysEager',
  'taskEagerPropagates',
  'telemetry',
  'taskDefaults',
  'routes',
];

/**
 * Reads an app's options and their environment twins.
 * @throws {OptionError} for anything that cannot be right
 */
export function resolveAppOptions(
  name: string,
  options: CeleriacOptions,
  env: Readonly<Record<string, string | undefined>>,
): AppConfig {
  const where = `new Celeriac('${name}')`;
  if (typeof name !== 'string' || name === '')
    throw new OptionError(
      "new Celeriac(name, options?): the name is missing. It comes first, as in new Celeriac('my-app').",
    );
  checkNames(options, NAMES, where, ['resultExpires', 'failureExpires']);
  const defaultQueue = options.defaultQueue ?? 'celeriac';
  checkQueueName(defaultQueue, `${where}: defaultQueue`);
  checkTaskOptions(options.taskDefaults ?? {}, `${where}: taskDefaults`);
  if (options.taskDefaults?.schedule !== undefined)
    throw new OptionError(`${where}: taskDefaults: a schedule belongs to one task. Give it there.`);
  const ms = (value: Duration | undefined, fallback: Duration, option: string) =>
    toPositiveMs(value ?? fallback, `${where}: ${option}`);
  const kept = (value: Duration | null | undefined, fallback: Duration, option: string) =>
    value === null ? FOR_EVER_MS : ms(value, fallback, option);
  return {
    name,
    // An empty variable is an unset one, as in a shell.
    broker: options.broker ?? (env.CELERIAC_BROKER_URL || 'redis://127.0.0.1:6379/0'),
    prefix: checkPrefix(options.prefix ?? (env.CELERIAC_PREFIX || name), where),
    defaultQueue,
    timezone: checkTimezone(options.timezone ?? 'UTC', where),
    resultExpiresMs: kept(options.resultExpires, '1d', 'resultExpires'),
    failureExpiresMs: kept(options.failureExpires, '7d', 'failureExpires'),
    serializer: checkSerializer(options.serializer ?? 'json', where),
    hasOwnLogger: options.logger !== undefined,
    logger: checkLogger(options.logger ?? consoleLogger(), where),
    container: checkContainer(options.container, where),
    publishRetryMs: ms(options.publishRetry, '1s', 'publishRetry'),
    acceptance: checkAcceptance(options.acceptance, where) ?? 'written',
    maxPayloadBytes: checkBytes(options.maxPayloadBytes, where),
    lockDurationMs: checkLock(ms(options.lockDuration, '5s', 'lockDuration'), where),
    blockedLoopTimeoutMs: ms(options.blockedLoopTimeout, '60s', 'blockedLoopTimeout'),
    unknownTaskGraceMs: ms(options.unknownTaskGrace, '1m', 'unknownTaskGrace'),
    migrate: boolean(options.migrate, false, `${where}: migrate`),
    taskAlwaysEager: boolean(options.taskAlwaysEager, false, `${where}: taskAlwaysEager`),
    taskEagerPropagates: boolean(options.taskEagerPropagates, false, `${where}: taskEagerPropagates`),
    routes: options.routes,
    telemetry: checkTelemetry(options.telemetry, where),
    taskDefaults: options.taskDefaults ?? {},
  };
}

function checkTelemetry(telemetry: unknown, where: string): Telemetry | undefined {
  if (telemetry === undefined) return undefined;
  const { tracer, contextManager } = telemetry as Partial<Telemetry>;
  const whole =
    typeof tracer?.startSpan === 'function' &&
    (['with', 'active', 'getMetadata', 'fromMetadata'] as const).every(
      (method) => typeof contextManager?.[method] === 'function',
    );
  if (whole) return telemetry as Telemetry;
  throw new OptionError(
    `${where}: telemetry must be an object with BullMQ's telemetry interface { tracer, contextManager, meter? }, such as ` +
      "new BullMQOtel('app') of the package bullmq-otel.",
  );
}

function checkPrefix(prefix: unknown, where: string): string {
  if (typeof prefix === 'string' && /^[^\s:{}]+$/.test(prefix)) return prefix;
  throw new OptionError(
    `${where}: prefix ${show(prefix)} must be a word without white space, ":", "{" and "}". ` +
      'It is the app name unless the option prefix or CELERIAC_PREFIX says otherwise.',
  );
}

function checkSerializer(serializer: unknown, where: string): AppConfig['serializer'] {
  if (serializer === 'json' || serializer === 'rich') return serializer;
  const own = serializer as Partial<Serializer> | null;
  if (
    typeof own === 'object' &&
    own !== null &&
    typeof own.encode === 'function' &&
    typeof own.decode === 'function'
  ) {
    return own as Serializer;
  }
  throw new OptionError(
    `${where}: serializer must be 'json', 'rich', or an object { name, encode, decode }.`,
  );
}

function checkContainer(container: Container | undefined, where: string): Container {
  if (container === undefined) return { get: (cls) => new (cls as unknown as new () => never)() };
  if (typeof container?.get === 'function') return container;
  throw new OptionError(
    `${where}: container must be an object { get(cls) } that gives an instance of the class; got ${show(container)}.`,
  );
}

function checkBytes(bytes: number | undefined, where: string): number | undefined {
  if (bytes === undefined || (Number.isInteger(bytes) && bytes > 0)) return bytes;
  throw new OptionError(`${where}: maxPayloadBytes must be a whole number of bytes; got ${show(bytes)}.`);
}

function checkLock(lockMs: number, where: string): number {
  if (lockMs >= 500) return lockMs;
  throw new OptionError(
    `${where}: lockDuration ${lockMs} ms is too short to be renewed in time; use 500ms or more.`,
  );
}

/** The default logger: what needs attention goes to the console, the rest nowhere, until its level says otherwise. */
function consoleLogger(): Logger & { level: LogLevel } {
  const to = (level: LogLevel) => (fields: object, message: string) => {
    if (LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(logger.level))
      console[level](`[celeriac] ${message}`, fields);
  };
  const logger: Logger & { level: LogLevel } = {
    level: 'warn',
    debug: to('debug'),
    info: to('info'),
    warn: to('warn'),
    error: to('error'),
  };
  return logger;
}

/**
 * The options in force as `inspect().conf()` shows them: plain data, no secrets. Durations are milliseconds.
 * @param address the broker's, which never holds a password
 */
export function confOf(config: AppConfig, address: string): Record<string, unknown> {
  const { name, resultExpiresMs, failureExpiresMs, publishRetryMs, lockDurationMs, ...rest } = config;
  const { blockedLoopTimeoutMs, unknownTaskGraceMs, hasOwnLogger, logger: _, container, ...plain } = rest;
  return readable({
    app: name,
    ...plain,
    // By its name alone: what else one that encrypts carries is nobody's business.
    serializer: typeof config.serializer === 'string' ? config.serializer : config.serializer.name,
    broker: address,
    resultExpires: keptFor(resultExpiresMs),
    failureExpires: keptFor(failureExpiresMs),
    publishRetry: publishRetryMs,
    lockDuration: lockDurationMs,
    blockedLoopTimeout: blockedLoopTimeoutMs,
    unknownTaskGrace: unknownTaskGraceMs,
    logger: hasOwnLogger ? 'own' : 'default',
    container: container.constructor.name === 'Object' ? undefined : container.constructor.name,
  }) as Record<string, unknown>;
}

/** As it was given. */
function keptFor(ms: number): number | null {
  return ms === FOR_EVER_MS ? null : ms;
}
