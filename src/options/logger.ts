/**
 * The logger port: where log lines go.
 */

/** Where log lines go: pino's call shape, so a pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
