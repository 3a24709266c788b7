/**
 * The argument of `app.use()`: functions around sending and around running, outermost first.
 */
import { CeleriacError, OptionError } from '../errors.js';
import type { CallOptions } from '../options/call-options.js';
import { show } from '../show.js';
import type { TaskRequest } from './context.js';

/** The context of a `publish` middleware. */
export interface PublishContext {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Headers of the message; add to them freely. */
  readonly headers: Record<string, unknown>;
  readonly options: Readonly<CallOptions>;
  /** Calls made from within the task get this header too. */
  propagate(header: string): void;
}

/** The context of a `run` middleware. */
export interface RunContext {
  readonly request: TaskRequest;
  readonly headers: Readonly<Record<string, unknown>>;
}

export type PublishMiddleware = (context: PublishContext, next: () => Promise<unknown>) => unknown;
export type RunMiddleware = (context: RunContext, next: () => Promise<unknown>) => unknown;

/**
 * Calls the middleware from the outside in, then `last`.
 * @param what the action's name, for the error of a middleware that calls `next()` twice
 */
export function through<C>(
  steps: readonly ((context: C, next: () => Promise<unknown>) => unknown)[],
  context: C,
  { what, last }: { readonly what: string; last(): unknown },
): Promise<unknown> {
  const enter = async (index: number): Promise<unknown> => {
    const step = steps[index];
    if (step === undefined) return last();
    let called = false;
    return step(context, async () => {
      if (called)
        throw new CeleriacError(
          `A middleware called next() twice for ${what}. Each may go on once: to run a task again is for retry() and ` +
            'autoretryFor.',
        );
      called = true;
      return enter(index + 1);
    });
  };
  return enter(0);
}

/** One `app.use()`. */
export interface Middleware {
  publish?: PublishMiddleware;
  run?: RunMiddleware;
}

/**
 * Adds the functions of a middleware to the lists, bound to it: it may be an instance of a class.
 * @throws {OptionError} for what is none
 */
export function addMiddleware(
  given: Middleware,
  publishing: PublishMiddleware[],
  running: RunMiddleware[],
): void {
  const { publish, run } = given ?? {};
  for (const [name, step] of Object.entries({ publish, run }))
    if (step !== undefined && typeof step !== 'function')
      throw new OptionError(`app.use: ${name} must be a function (context, next); got ${show(step)}.`);
  if (publish === undefined && run === undefined)
    throw new OptionError('app.use: give { publish } or { run }, each async (context, next) => …, or both.');
  if (publish !== undefined) publishing.push(publish.bind(given));
  if (run !== undefined) running.push(run.bind(given));
}
