/**
 * How the app in a thread, or in a worker process, finds out that it is in one. The entry of either sets a host before it
 * loads the app module; `new Celeriac` and `worker.start()` ask for it. Nobody else may: code that runs a task is the
 * same everywhere.
 */

import type { Engine } from '../../broker/broker.js';
import type { Asking } from '../../control/caller.js';
import type { Responder, ResponderParams } from '../../control/responder.js';
import type { ErrorClasses } from '../../protocol/wire-error.js';
import type { TaskApp } from '../../tasks/context.js';
import type { Recycling } from '../processes/recycling.js';
import type { ExecutorParams } from '../run/execute.js';

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
  /** What asks workers for that app. */
  callerFor?(appName: string): Asking | undefined;
  /** Tells of a new app. */
  made(app: LoadedApp): void;
  /**
   * A worker is started. By the module: it has come as far as it should here, and what is given never resolves. The
   * process's own: nothing is given, and it may.
   */
  workerStarts(app: TaskApp, worker: object): Promise<never> | undefined;
  /** In a worker process. */
  readonly processPool?: ProcessPoolHost;
}

/** A worker process, as its worker sees it: part of a node, whose supervisor speaks for it. */
export interface ProcessPoolHost {
  readonly measured: boolean;
  readonly recycling: Recycling;
  /** Takes commands in the place of a node on the bus. */
  readonly respond: (params: ResponderParams) => Promise<Responder>;
  /** The worker is ready; resolves when the node has said that it is there, or when this process is to end. */
  cleared(): Promise<void>;
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
