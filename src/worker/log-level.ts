/**
 * A worker's own way to its logger, with a level that remote control can change. Nothing is held back until then: how
 * much is logged is the logger's affair.
 */
import { callForeign } from '../foreign.js';
import { LOG_LEVELS, type Logger, type LogLevel, originOf } from '../options/logger.js';

/** A logger whose level may change at runtime. */
export interface LeveledLogger extends Logger {
  /** From now on lines below `level` are dropped. A logger with a `level` of its own (pino's, ours) is told. */
  setLevel(level: LogLevel): void;
}

export function leveled(logger: Logger): LeveledLogger {
  let threshold = 0;
  const to = (level: LogLevel) => {
    const rank = LOG_LEVELS.indexOf(level);
    return (fields: object, message: string) => {
      if (rank >= threshold) logger[level](fields, message);
    };
  };
  return {
    debug: to('debug'),
    info: to('info'),
    warn: to('warn'),
    error: to('error'),
    setLevel: (level) => {
      threshold = LOG_LEVELS.indexOf(level);
      const own = originOf(logger);
      callForeign(
        () => hasLevel(own) && Reflect.set(own, 'level', level),
        (error) => logger.warn({ error, level }, 'the logger does not take its new level'),
      );
    },
  };
}

function hasLevel(logger: Logger): boolean {
  return typeof Reflect.get(logger, 'level') === 'string';
}
