/**
 * What `app.use()` takes: functions around sending and around running, outermost first.
 */
import type { CallOptions } from '../options/call-options.js';
import type { TaskRequest } from './context.js';

/** What a `publish` middleware sees of a call on its way out. */
export interface PublishContext {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Headers of the message; add to them freely. */
  readonly headers: Record<string, unknown>;
  readonly options: Readonly<CallOptions>;
  /** Calls made from within the task get this header too. */
  propagate(header: string): void;
}

/** What a `run` middleware sees of a task being run. */
export interface RunContext {
  readonly request: TaskRequest;
  readonly headers: Readonly<Record<string, unknown>>;
}

export type PublishMiddleware = (context: PublishContext, next: () => Promise<unknown>) => unknown;
export type RunMiddleware = (context: RunContext, next: () => Promise<unknown>) => unknown;

/** One `app.use()`. */
export interface Middleware {
  publish?: PublishMiddleware;
  run?: RunMiddleware;
}
