/**
 * Handles: a task as its callers see it, typed from the method behind it. `Handles<S>` is a whole service.
 */

import type { Sender } from '../calls/sender.js';
import { CeleriacError, OptionError } from '../errors.js';
import {
  argumentsOf,
  type CallOptions,
  optionsOf,
  type SendOptions,
  sendOptionsOf,
} from '../options/call-options.js';
import type { AsyncResult } from '../results/async-result.js';
import type { EagerResult } from '../results/eager-result.js';
import { show } from '../show.js';
import { asChild } from '../tasks/context.js';
import type { CallTarget } from '../tasks/registry.js';
import type { TaskHooks, TaskService } from '../tasks/service.js';
import type { ChunkIn, ItemOfBatch, ResultIn, ShareIn } from '../tasks/yields.js';
import { type Group, group } from './compose.js';
import type { Dispatcher } from './dispatch.js';
import { NO_CALLBACKS, Signature } from './signature.js';
import type { Composable, ErrbackOption, LinkOption, Tails } from './typing.js';

/** A task as its callers use it. The methods are bound: `ids.map(handle.delay)` works. */
export interface TaskHandle<A extends readonly unknown[] = readonly unknown[], R = unknown, C = unknown> {
  /** The task's name on the wire. */
  readonly name: string;
  /** Sends a call. Resolves when the broker has it. */
  delay(...args: A): Promise<AsyncResult<R, C>>;
  /** Sends a call with options. */
  applyAsync<
    const L extends CallbackOption = CallbackOption,
    const E extends CallbackOption = CallbackOption,
  >(args: A, options?: OptionsFor<R, L, E>): Promise<AsyncResult<R, C>>;
  /** Runs the task in this process, without a broker (Celery: `apply`). Retries follow each other without delay. */
  apply(args: A, options?: CallOptions): Promise<EagerResult<R, C>>;
  /** A signature, with all arguments, or without the first ones, which a previous step supplies. */
  s<G extends A | Tails<A>>(...given: G): Signature<A, G, R, false, C>;
  /** A signature that takes no argument from a previous step. */
  si(...args: A): Signature<A, A, R, true, C>;
  signature<G extends A | Tails<A>>(args: G, options?: CallOptions): Signature<A, G, R, false, C>;
  /** One task that processes all items in order; its result is the list (Celery: `map`). */
  map(items: OneArgument<A>): Signature<[], [], R[], true>;
  /** {@link map} over argument lists. */
  starmap(items: Iterable<A>): Signature<[], [], R[], true>;
  /**
   * A group of tasks that process `n` argument lists each (Celery: `chunks`). A single argument needs no list around
   * it, unless it is a list itself.
   */
  chunks(items: Iterable<A | Single<A>>, n: number): Group<Signature<[], [], R[], true>[]>;
  /** The result of a task sent earlier, from its id. */
  result(taskId: string): AsyncResult<R, C>;
}

/** A first argument that is enough for the task, and cannot be mistaken for a list of arguments. */
type Single<A extends readonly unknown[]> =
  [A[0]] extends Readonly<A> ? (A[0] extends readonly unknown[] ? never : A[0]) : never;

/** The items of `map`, for a task that needs only one argument. */
type OneArgument<A extends readonly unknown[]> =
  [A[0]] extends Readonly<A>
    ? Iterable<A[0]>
    : { readonly '~celeriac': 'the task takes more than one argument: use starmap' };

type CallbackOption = Composable | Iterable<Composable>;

/** Options of a call, with callbacks that accept the call's result. */
type OptionsFor<R, L, E> = Omit<SendOptions, 'link' | 'linkError'> & {
  link?: L & LinkOption<L, R>;
  linkError?: E & ErrbackOption<E>;
};

type Method = (this: never, ...args: never[]) => unknown;

/** The members of a service that are never tasks. */
type NotTasks<S> = (S extends TaskService ? keyof TaskService : never) | keyof TaskHooks;

/** A handle for each public method of a service. */
export type Handles<S> = {
  readonly [K in keyof S as K extends NotTasks<S> ? never : S[K] extends Method ? K : never]: S[K] extends (
    this: never,
    ...args: infer A
  ) => infer R
    ? HandleOf<A, R>
    : never;
};

/**
 * The handle of a method. One of a list could be the code of a batch, which only its options say: then calls may bring the
 * list, as for any task, or one entry, and get what fits. `Batch<T>` says which.
 */
type HandleOf<A extends readonly unknown[], R> = A extends [infer P extends readonly unknown[]]
  ? [ItemOfBatch<P>] extends [never]
    ? MayBeBatch<P, R> extends true
      ? TaskHandle<A, ResultIn<R>, ChunkIn<R>> & TaskHandle<[P[number]], ShareIn<R>>
      : TaskHandle<A, ResultIn<R>, ChunkIn<R>>
    : TaskHandle<[ItemOfBatch<P>], ShareIn<R>>
  : TaskHandle<A, ResultIn<R>, ChunkIn<R>>;

/** Whether the code takes a list of any length, and gives a list or nothing. */
type MayBeBatch<P extends readonly unknown[], R> = number extends P['length']
  ? // biome-ignore lint/suspicious/noConfusingVoidType: what code without a value returns
    [Awaited<R>] extends [readonly unknown[] | undefined | void]
    ? [Awaited<R>] extends [never]
      ? false
      : true
    : false
  : false;

/** What a handle needs from the app. */
export interface HandleHost {
  readonly sender: Sender;
  readonly launcher: Dispatcher;
  result<R, C>(taskId: string): AsyncResult<R, C>;
  apply<R, C>(target: CallTarget, args: readonly unknown[], options: CallOptions): Promise<EagerResult<R, C>>;
}

/** The handle of one task. */
export function makeHandle<A extends readonly unknown[], R, C>(
  host: HandleHost,
  target: CallTarget,
): TaskHandle<A, R, C> {
  const { sender, launcher } = host;
  const parts = (immutable: boolean) => ({ launcher, target, immutable, callbacks: NO_CALLBACKS });
  const over = (lists: readonly (readonly unknown[])[]) =>
    new Signature<[], [], R[], true>({ ...parts(true), target: { ...target, each: true } }, lists as never);
  // Not frozen: tests put spies in place of its methods.
  return {
    name: target.name,
    delay: (...args: A) => asChild(sender.send<R, C>(target, args)),
    applyAsync: async (args?: A, options?: SendOptions) => {
      const where = `${target.name}.applyAsync`;
      return launcher.send<R, C>(target, argumentsOf(args, where), sendOptionsOf(options, where));
    },
    apply: async (args?: A, options?: CallOptions) => {
      const where = `${target.name}.apply`;
      return host.apply<R, C>(target, argumentsOf(args, where), optionsOf(options, where));
    },
    s: <G extends A | Tails<A>>(...given: G) => new Signature<A, G, R, false, C>(parts(false), given),
    si: (...args: A) => new Signature<A, A, R, true, C>(parts(true), args),
    signature: <G extends A | Tails<A>>(args: G, options?: CallOptions) =>
      new Signature<A, G, R, false, C>(parts(false), args, optionsOf(options, `${target.name}.signature`)),
    map: (items: OneArgument<A>) =>
      over(listOf(items as Iterable<A[0]>, `${target.name}.map`).map((item) => [item])),
    starmap: (items: Iterable<A>) =>
      over(
        listOf(items, `${target.name}.starmap`).map((args) => argumentsOf(args, `${target.name}.starmap`)),
      ),
    chunks: (items: Iterable<A | Single<A>>, n: number) => group(chunked(items, n, target.name).map(over)),
    result: (taskId: string) => host.result<R, C>(taskId),
  };
}

/** Lifecycle hooks that Nest looks for on everything it holds. */
const CONTAINER_HOOKS: ReadonlySet<string> = new Set([
  'onModuleInit',
  'onModuleDestroy',
  'onApplicationBootstrap',
  'onApplicationShutdown',
  'beforeApplicationShutdown',
]);

/** @throws {OptionError} for a value that is not iterable */
function listOf<T>(items: Iterable<T>, where: string): T[] {
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return [...items];
  throw new OptionError(`${where}: give a list of items, not ${show(items)}.`);
}

/** Splits argument lists into pieces of `n`. */
function chunked(items: Iterable<unknown>, n: number, name: string): unknown[][][] {
  if (!Number.isInteger(n) || n < 1)
    throw new OptionError(`${name}.chunks: n is how many items a task takes, at least 1, not ${String(n)}.`);
  const lists = listOf(items, `${name}.chunks`).map((item) =>
    Array.isArray(item) ? (item as unknown[]) : [item],
  );
  return Array.from({ length: Math.ceil(lists.length / n) }, (_, i) => lists.slice(i * n, (i + 1) * n));
}

/** The handles of a service; access to a property that is no task throws and names it. */
export function makeHandles<S>(
  host: HandleHost,
  serviceName: string,
  tasks: ReadonlyMap<string, CallTarget>,
): Handles<S> {
  const handles: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [method, target] of tasks) handles[method] = makeHandle(host, target);
  return new Proxy(handles, {
    get(known, property) {
      if (typeof property === 'symbol' || property in known) return Reflect.get(known, property);
      // Promises, loggers and assertions look for these on any object.
      if (property === 'then' || property === 'toJSON' || property in Object.prototype) return undefined;
      if (CONTAINER_HOOKS.has(property)) return undefined;
      throw new CeleriacError(
        `${serviceName}.${property} is not a task. Put @Task on the method, or make it protected if it is a helper. ` +
          `Tasks: ${Object.keys(known).join(', ')}.`,
      );
    },
  }) as Handles<S>;
}
