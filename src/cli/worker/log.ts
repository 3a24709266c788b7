/**
 * The worker's log on the command line: one line per event, as text for people (Celery's shape) or as JSON, one object
 * a line, for collectors. It is a value for celeriac's `logger` option and decides only the format, never what to log.
 */
import pc from 'picocolors';
import { isCeleriacError } from '../../errors.js';
import { LOG_LEVELS, type Logger, type LogLevel } from '../../options/logger.js';
import { humanDuration } from '../text/human.js';
import { escaped, printableJson } from '../text/printable.js';
import { sentenceOf } from './log-sentences.js';
import { stackText } from './stack.js';

/** The format of lines. */
export type LogFormat = 'text' | 'json';

/** The level and the format of the log. */
export interface LogSettings {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly color: boolean;
  /** The file of `--logfile`, absolute: for processes of this worker. */
  readonly file?: string | undefined;
}

/** Options of {@link createLogger}. */
export interface LogOptions extends LogSettings {
  /** Called with each whole line. */
  readonly write: (line: string) => void;
  /** The node's name for lines without one; known only once the worker exists. */
  readonly node?: () => string | undefined;
  /** Epoch ms. */
  readonly now?: () => number;
}

/** A logger with a changeable level, and `always` for lines that every level shows (`ready`). */
export interface CliLogger extends Logger {
  /** The settings with which another process makes the same logger. */
  readonly settings: LogSettings;
  level: LogLevel;
  always(fields: object, message: string): void;
}

/** The logger behind `--loglevel` and `--log-format`. */
export function createLogger(options: LogOptions): CliLogger {
  let { level: shown } = options;
  const format = options.format === 'json' ? jsonLine : textLine;
  const log = (level: LogLevel, fields: object, message: string): void => {
    const { node = options.node?.(), ...rest } = { ...fields } as Record<string, unknown>;
    const at = new Date(options.now?.() ?? Date.now());
    options.write(format({ at, level, node, message, fields: rest }, { ...options, level: shown }));
  };
  const from = (level: LogLevel) => (fields: object, message: string) => {
    if (LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(shown)) log(level, fields, message);
  };
  return {
    get settings() {
      return { level: shown, format: options.format, color: options.color, file: options.file };
    },
    debug: from('debug'),
    info: from('info'),
    warn: from('warn'),
    error: from('error'),
    always: (fields, message) => log('info', fields, message),
    get level() {
      return shown;
    },
    set level(level) {
      shown = level;
    },
  };
}

interface LogEntry {
  readonly at: Date;
  readonly level: LogLevel;
  readonly node: unknown;
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

function jsonLine({ at, level, node, message, fields }: LogEntry): string {
  const flat = { time: at.toISOString(), level, node, message, ...fields };
  // Field by field: a field that cannot be written must not lose the line.
  const pairs = Object.entries(flat)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}:${stringify(value)}`);
  return `${printableJson(`{${pairs.join(',')}}`)}\n`;
}

const LABELS: Record<LogLevel, string> = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR' };

function textLine(entry: LogEntry, { color, level: shown }: LogOptions): string {
  const { at, level, node } = entry;
  const colors = pc.createColors(color);
  const paint = { debug: colors.gray, info: (text: string) => text, warn: colors.yellow, error: colors.red };
  const label = typeof node === 'string' ? `${LABELS[level]}/${escaped(shortName(node))}` : LABELS[level];
  const { message, fields } = sentenceOf(entry.message, entry.fields);
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => escaped(pairText(key, value)));
  const details = pairs.length === 0 ? '' : ` ${colors.dim(pairs.join(' '))}`;
  const head = `${colors.dim('[')}${colors.dim(localTime(at))}: ${paint[level](label)}${colors.dim(']')}`;
  const stacks = Object.values(entry.fields)
    .filter((value) => value instanceof Error)
    .filter((error) => shown === 'debug' || (level === 'error' && !isOutage(error, entry.fields)))
    .map((error) => stackText(error, shown === 'debug'));
  return `${head} ${paint[level](escaped(message))}${details}\n${stacks.join('')}`;
}

/** `celeriac` of `celeriac@host`: keeps lines short, and still distinguishes two workers in one terminal. */
function shortName(node: string): string {
  return node.replace(/(.)@.*/, '$1');
}

/** True for an error of a broken connection, whose stack is of no use. */
function isOutage(error: Error, fields: LogEntry['fields']): boolean {
  const code = 'code' in error ? error.code : undefined;
  const broke = 'syscall' in error || code === 'ETIMEDOUT' || isCeleriacError(error, 'BROKER_UNAVAILABLE');
  return broke && fields.taskId === undefined;
}

function pairText(key: string, value: unknown): string {
  return typeof value === 'number' && /.Ms$/.test(key)
    ? `${key.slice(0, -2)}=${fieldText(humanDuration(value))}`
    : `${key}=${fieldText(value)}`;
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(`${value.name}: ${value.message}`);
  if (typeof value === 'string') return /^[\w@.:/~+,-]+$/.test(value) ? value : JSON.stringify(value);
  return stringify(value);
}

/** JSON that never throws and keeps errors readable, so that no value can lose a log line. */
function stringify(value: unknown): string {
  const replacer = (_key: string, inner: unknown): unknown => {
    if (inner instanceof Error) {
      const { name, message, stack, cause } = inner;
      return { name, message, stack, ...(cause === undefined ? {} : { cause }) };
    }
    return typeof inner === 'bigint' ? String(inner) : inner;
  };
  try {
    return JSON.stringify(value, replacer) ?? String(value);
  } catch {
    // A cycle or a throwing getter: use the text form.
    return JSON.stringify(String(value));
  }
}

/** `2026-11-22 18:52:34,123`, local time, as Celery and Python's logging write it. */
function localTime(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${time},${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/** Drops the worker's own `worker ready`: the command logs it at every level, with more details. */
export function withoutReady(log: CliLogger): CliLogger {
  return {
    ...log,
    info: (fields, message) => {
      if (message !== 'worker ready') log.info(fields, message);
    },
    get level() {
      return log.level;
    },
    set level(level) {
      log.level = level;
    },
    get settings() {
      return log.settings;
    },
  };
}
