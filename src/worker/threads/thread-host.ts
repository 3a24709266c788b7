/**
 * How the app in a thread finds out that it is in one. The thread's entry sets a host before it loads the app module;
 * `new Celeriac` and `worker.start()` ask for it. Nobody else may: code that runs a task is the same everywhere.
 */
import type { Engine } from '../../broker/engine.js';
import type { TaskApp } from '../../tasks/context.js';
import type { ErrorClasses } from '../../tasks/failure.js';
import type { ExecutorParams } from '../execute.js';

/** An app that was made while the module was loaded. */
export interface LoadedApp {
  readonly name: string;
  readonly prefix: string;
  readonly app: TaskApp;
  readonly errors: ErrorClasses;
  readonly executor: Omit<ExecutorParams, 'host'>;
  /** Makes the services that were registered as classes. */
  prepare(): Promise<void>;
}

/** The thread, as its app sees it. */
export interface ThreadHost {
  /** The engine of the app with this name; `undefined` for one that the worker knows nothing of. */
  engineFor(appName: string): Engine | undefined;
  /** Tells of a new app. */
  made(app: LoadedApp): void;
  /** The module started a worker: it has come as far as it should in a thread. Never resolves. */
  workerStarts(app: TaskApp): Promise<never>;
}

// By a registered symbol: two copies of this package may meet in one thread.
const KEY = Symbol.for('celeriac.thread');

/** The host of the thread this code runs in; `undefined` everywhere but in our own threads. */
export function threadHost(): ThreadHost | undefined {
  return Reflect.get(globalThis, KEY) as ThreadHost | undefined;
}

/** Makes this thread one of ours. */
export function becomeThread(host: ThreadHost): void {
  Object.defineProperty(globalThis, KEY, { value: host });
}
