/** Resolves an app's options from what was passed, their environment variables and their defaults. Does no I/O. */

import type { CeleriacOptions } from '../app-options.js';
import { appOverrides } from '../app-overrides.js';
import { OptionError } from '../errors.js';
import { compileAnnotations } from '../options/annotations.js';
import { LOG_LEVELS, type Logger, type LogLevel } from '../options/logger.js';
import { merge } from '../options/merge.js';
import { at } from '../options/option.js';
import { optionTable, type Resolved } from '../options/option-table.js';
import { checkDeclared } from '../options/queues.js';
import { readable } from '../options/readable.js';
import type { SerializerOption } from '../options/serializers.js';
import type { TaskOptions } from '../options/task-options.js';
import type { TaskRules } from '../options/task-rules.js';
import { type Container, PLAIN_CONTAINER } from './container.js';
import { APP_OPTIONS, FOR_EVER_MS } from './table.js';

const APP = optionTable<CeleriacOptions>()(APP_OPTIONS);

/** {@link CeleriacOptions}, resolved. */
export interface AppConfig extends Resolved<typeof APP_OPTIONS> {
  readonly name: string;
  readonly prefix: string;
  readonly logger: Logger;
  /** True if a logger was passed. */
  readonly hasOwnLogger: boolean;
  readonly container: Container;
  /** What it says about the options of all its tasks. */
  readonly rules: TaskRules;
}

/**
 * Reads an app's options: those of the command line over passed values over the environment over the defaults.
 * @throws {OptionError} for an invalid value
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
  APP.checkNames(options, where);
  const config = APP.resolve(
    merge<CeleriacOptions>({ prefix: name }, APP.fromEnvironment(env), options, appOverrides()),
    at(where),
  );
  const { defaultQueue } = config;
  const taskDefaults = config.inheritPriority
    ? merge<TaskOptions>({ inheritPriority: true }, config.taskDefaults)
    : config.taskDefaults;
  const queues = config.queues && [...new Set([defaultQueue, ...config.queues])];
  if (taskDefaults.queue !== undefined)
    checkDeclared(queues, taskDefaults.queue, `${where}: taskDefaults.queue`);
  const annotate = compileAnnotations(config.annotations, `${where}: annotations`, queues);
  return {
    ...config,
    name,
    queues,
    rules: { defaults: taskDefaults, annotate, queues },
    prefix: config.prefix ?? name,
    taskDefaults,
    logger: config.logger ?? consoleLogger(),
    hasOwnLogger: config.logger !== undefined,
    container: config.container ?? PLAIN_CONTAINER,
  };
}

/** The default logger: warnings and errors go to the console, the rest is dropped until its level changes. */
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

/** What `app.conf` shows in words of its own. */
interface InWords {
  /** The app's name. */
  readonly app: string;
  /** Where the broker is, without a password. */
  readonly broker: string;
  readonly prefix: string;
  /** ms; `null`: for ever. */
  readonly resultExpires: number | null;
  /** ms; `null`: for ever. */
  readonly failureExpires: number | null;
  /** Its name. */
  readonly serializer: string;
  /** `'own'` if the app was given one, else `'default'`. */
  readonly logger: 'own' | 'default';
}

/** A value that is plain data as it is; others are shown as plain data of some form. */
type Shown<T> = [T] extends [string | number | boolean | readonly string[] | undefined] ? T : unknown;

/** The options of an app in force, by name: plain data, secrets masked, frozen. Durations are milliseconds. */
export type AppConf = InWords & {
  readonly [K in Exclude<keyof typeof APP_OPTIONS, keyof InWords>]: Shown<
    ReturnType<(typeof APP_OPTIONS)[K]['read']>
  >;
};

/**
 * The options in force, as `app.conf` and `inspect().conf()` show them.
 * @param address the broker's, which never holds a password
 */
export function confOf(config: AppConfig, address: string): AppConf {
  const { name, serializer, serializers, taskDefaults, resultExpiresMs, failureExpiresMs } = config;
  const { hasOwnLogger, container } = config;
  const shown = readable({
    app: name,
    ...APP.byName(config),
    // Only the name: other fields of a serializer that encrypts must not be shown.
    serializer: nameOf(serializer ?? serializers?.[0] ?? 'json'),
    serializers: serializers?.map(nameOf),
    taskDefaults:
      taskDefaults.serializer === undefined
        ? taskDefaults
        : { ...taskDefaults, serializer: nameOf(taskDefaults.serializer) },
    broker: address,
    outbox: config.outbox === undefined ? undefined : readable(config.outbox),
    resultExpires: keptFor(resultExpiresMs),
    failureExpires: keptFor(failureExpiresMs),
    logger: hasOwnLogger ? 'own' : 'default',
    container: container.constructor.name === 'Object' ? undefined : container.constructor.name,
  });
  return frozen(shown) as AppConf;
}

/** Freezes plain data, to its leaves. */
function frozen(data: unknown): unknown {
  if (typeof data === 'object' && data !== null) for (const part of Object.values(data)) frozen(part);
  return Object.freeze(data);
}

function nameOf(serializer: SerializerOption): string {
  return typeof serializer === 'string' ? serializer : serializer.name;
}

/** The duration as passed: `null` for ever. */
function keptFor(ms: number): number | null {
  return ms === FOR_EVER_MS ? null : ms;
}
