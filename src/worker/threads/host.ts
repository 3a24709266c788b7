/**
 * How an app learns that it is in a thread or in a worker process. The entry of either sets a host before it loads
 * the app module; `new Celeriac` and `worker.start()` ask for it. No other code may ask: code that runs a task is the
 * same everywhere.
 */

import type { Engine } from '../../broker/broker.js';
import type { Asking } from '../../control/caller.js';
import type { Responder, ResponderParams } from '../../control/responder.js';
import type { Events } from '../../events/events.js';
import type { ErrorClasses } from '../../protocol/wire-error.js';
import type { TaskApp } from '../../tasks/context.js';
import type { Recycling } from '../processes/recycling.js';
import type { ExecutorParams } from '../run/executor-params.js';

/** An app created while the module was loaded. */
export interface LoadedApp {
  readonly name: string;
  readonly prefix: string;
  readonly app: TaskApp;
  readonly errors: ErrorClasses;
  readonly executor: Omit<ExecutorParams, 'host'>;
  readonly events: Events;
  /** Creates the services that were registered as classes. */
  prepare(): Promise<void>;
  /** Where they come from; closed with the thread. */
  readonly container: { close?(): void | Promise<void> };
}

/** The thread, as its app sees it. */
export interface ThreadHost {
  /** The engine of the app with this name; `undefined` for an app unknown to the worker. */
  engineFor(appName: string): Engine | undefined;
  /** Sends remote-control requests for that app. */
  callerFor?(appName: string): Asking | undefined;
  /** Reports a new app. */
  made(app: LoadedApp): void;
  /** A framework will make an app that registers its tasks only as it starts: the thread waits for {@link started}. */
  expect?(): void;
  /** The framework around this app has started. */
  started?(app: TaskApp): void;
  /**
   * Called when a worker is started. For a worker that the module starts: gives a promise that never resolves, since
   * the module has done all it should here. For the process's own worker: gives undefined, and the start goes on.
   */
  workerStarts(app: TaskApp, worker: object): Promise<never> | undefined;
  /** Set in a worker process. */
  readonly processPool?: ProcessPoolHost;
}

/** A worker process, as its worker sees it: part of a node whose supervisor answers for it. */
export interface ProcessPoolHost {
  /** The node's name. */
  readonly node: string;
  readonly measured: boolean;
  readonly recycling: Recycling;
  /** Receives commands from the supervisor, in place of a responder on the bus. */
  readonly respond: (params: ResponderParams) => Promise<Responder>;
  /** Reports that the worker is ready; resolves when the node has announced itself, or when this process is to end. */
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
