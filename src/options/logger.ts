/**
 * The logger port: where log lines go, and the levels they have.
 */
import { OptionError } from '../errors.js';
import { callForeign } from '../foreign.js';
import { show } from '../show.js';
import { nearest } from './names.js';

/** Where log lines go: pino's call shape, so a pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A running task's own log, `this.log`: a line may consist of a text alone. */
export interface TaskLogger {
  debug(message: string): void;
  debug(fields: object, message: string): void;
  info(message: string): void;
  info(fields: object, message: string): void;
  warn(message: string): void;
  warn(fields: object, message: string): void;
  error(message: string): void;
  error(fields: object, message: string): void;
}

/** A logger that puts these fields in every line. */
export function taskLogger(logger: Logger, fields: object): TaskLogger {
  const line = (level: LogLevel) => (first: object | string, message?: string) =>
    typeof first === 'string'
      ? logger[level](fields, first)
      : logger[level]({ ...fields, ...first }, message ?? '');
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

/** How much is logged, from most to least. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Celery's level names, accepted for users who are used to them. */
const ALIASES: ReadonlyMap<string, LogLevel> = new Map(
  Object.entries({
    warning: 'warn',
    critical: 'error',
    fatal: 'error',
  }),
);

/**
 * A level by any of its names, upper or lower case.
 * @throws {OptionError}
 */
export function parseLogLevel(level: unknown, where: string): LogLevel {
  const text = String(level);
  const name = text.toLowerCase();
  const known = LOG_LEVELS.find((candidate) => candidate === name) ?? ALIASES.get(name);
  if (typeof level === 'string' && known !== undefined) return known;
  const near = nearest(name, [...LOG_LEVELS, ...ALIASES.keys()]);
  throw new OptionError(
    `${where}: "${text}" is not a log level. ${near === undefined ? '' : `Did you mean "${near}"? `}` +
      `Use ${LOG_LEVELS.join(', ')}.`,
  );
}

/** @throws {OptionError} */
export function checkLogger(logger: unknown, where: string): Logger {
  const given = logger as Record<string, unknown> | null;
  if (
    typeof given === 'object' &&
    given !== null &&
    LOG_LEVELS.every((level) => typeof given[level] === 'function')
  ) {
    return logger as Logger;
  }
  throw new OptionError(
    `${where}: logger must have the methods debug, info, warn and error, each (fields, message); got ${show(logger)}.`,
  );
}

/** A logger that never throws: an error of the user's logger loses only its own line. */
class GuardedLogger implements Logger {
  #complained = false;

  constructor(readonly origin: Logger) {}

  readonly debug = this.#to('debug');
  readonly info = this.#to('info');
  readonly warn = this.#to('warn');
  readonly error = this.#to('error');

  #to(level: LogLevel) {
    return (fields: object, message: string): void =>
      callForeign(
        () => this.origin[level](fields, message),
        (error) => this.#complain(error),
      );
  }

  /** Once only: if every line fails, each complaint would be the same. */
  #complain(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(`celeriac: the logger fails, and log lines are lost: ${why}`);
  }
}

/**
 * Puts a logger behind a guard, at most once. Every logger from outside passes through here where it enters.
 * @see originOf for its members beside the four methods
 */
export function guarded(logger: Logger): Logger {
  return logger instanceof GuardedLogger ? logger : new GuardedLogger(logger);
}

/** The user's own logger behind the guard. */
export function originOf(logger: Logger): Logger {
  return logger instanceof GuardedLogger ? logger.origin : logger;
}
