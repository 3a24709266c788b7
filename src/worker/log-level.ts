/**
 * A worker's own view of its logger, with a level that remote control can change. Until a level is set no line is
 * dropped: filtering is up to the logger.
 */
import { callForeign } from '../foreign.js';
import { LOG_LEVELS, type Logger, type LogLevel, originOf } from '../options/logger.js';

/** A logger whose level may change at runtime. */
export interface LeveledLogger extends Logger {
  /**
   * Drops lines below `level` from now on. Also sets the logger's own `level` property, if it has one (pino's, ours).
   */
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
