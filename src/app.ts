/**
 * `Celeriac`: the app, and the only composition root: reads the options, makes the parts and connects them. Must own
 * nothing global, so that two apps in one process are independent.
 */
import { type InspectOptions, inspect } from 'node:util';
import { type AppConf, type AppConfig, confOf, resolveAppOptions } from './app-options/resolve.js';
import type { CeleriacOptions } from './app-options.js';
import { makeEagerRunner } from './app-parts/eager-runner.js';
import { executorParamsOf } from './app-parts/executor-params.js';
import { makeWorker, type Wiring } from './app-parts/make-worker.js';
import { type AppParts, closeParts, makeParts, makeRegistry } from './app-parts.js';
import type { Detour } from './calls/call-stages.js';
import { type AnyComposable, Rebuild } from './canvas/from-json.js';
import { type HandleHost, type Handles, makeHandle, makeHandles, type TaskHandle } from './canvas/handle.js';
import { type ManyOptions, publishMany } from './canvas/send-many.js';
import type { ComposableJson, Signature } from './canvas/signature.js';
import type { Complete, Composable, Out } from './canvas/typing.js';
import type { AskOptions } from './control/caller.js';
import type { Control } from './control/control.js';
import { type Diagnosis, examine } from './control/doctor.js';
import type { FailedTasks } from './control/failed.js';
import { askFleet, Inspect } from './control/inspect.js';
import type { CommandHandler } from './control/own-commands.js';
import type { Queues } from './control/queues.js';
import { AppClosedError } from './errors.js';
import { Fleet, type FleetOptions } from './events/fleet.js';
import type { EventListener, EventName, EventsOptions, FleetEvent } from './events/names.js';
import { argumentsOf, type CallOptions, type SendOptions, sendOptionsOf } from './options/call-options.js';
import { checkLogger, guarded, type Logger } from './options/logger.js';
import { checkOptions } from './options/names.js';
import type { TaskOptions } from './options/task-options.js';
import { ErrorClasses } from './protocol/wire-error.js';
import type { BullmqQueue } from './queue/raw-queues.js';
import type { AsyncResult, ResultJson } from './results/async-result.js';
import { groupIdIn, taskResultFrom } from './results/from-json.js';
import type { GroupResult, GroupResultJson } from './results/group-result.js';
import type { Schedules } from './schedules/schedules.js';
import type { TaskContext } from './tasks/context.js';
import { readFunctionTask } from './tasks/function-task.js';
import {
  addMiddleware,
  type Middleware,
  type PublishMiddleware,
  type RunMiddleware,
} from './tasks/middleware.js';
import { type TaskReference, targetOf } from './tasks/reference.js';
import { isReplacing, type RegisterOptions } from './tasks/register-options.js';
import type { CallTarget, Registry, ServiceClass } from './tasks/registry.js';
import type { ChunkIn, ResultIn, ShareIn } from './tasks/yields.js';
import type { Outbox } from './transactions/outbox/outbox.js';
import type { WorkerProcesses } from './worker/processes/supervisor.js';
import type { EagerRunner } from './worker/run/eager.js';
import { threadHost } from './worker/threads/host.js';
import type { Worker } from './worker/worker.js';
import type { ProcessesOptions, WorkerOptions } from './worker/worker-options.js';

/** The parts of an app, for the other entry points of this package only. */
export let partsOf: (app: Celeriac) => AppParts & { readonly runHere: Detour };

/**
 * An app: declares tasks, sends them, runs them, and reads their results.
 *
 * @example
 * export const app = new Celeriac('reports', { broker: 'redis://localhost:6379/0' });
 * export const reports = app.register(new ReportService());
 * const result = await reports.generateReport.delay('42');
 */
export class Celeriac implements AsyncDisposable {
  static {
    partsOf = (app) => ({ ...app.#parts, runHere: app.#hereAndNow(true) });
  }

  /** The app's name. */
  readonly name: string;
  /** Error classes that `get()` rebuilds as themselves, beside built-in ones and those named in task options. */
  readonly errors = new ErrorClasses();
  /** Changes running workers. */
  readonly control: Control;
  /** Lists, pauses and purges queues. */
  readonly queues: Queues;
  /** The schedules: tasks that are sent periodically or at set times. */
  readonly schedules: Schedules;
  /** Lists, retries and deletes failed tasks. */
  readonly failed: FailedTasks;
  /** The calls in transactions that wait to be relayed: see the option `outbox`. */
  readonly outbox: Outbox;
  readonly #config: AppConfig;
  #logger: Logger;
  readonly #registry: Registry;
  readonly #parts: AppParts;
  readonly #wiring: Wiring;
  readonly #eager: EagerRunner;
  readonly #workers = new Set<Worker | WorkerProcesses>();
  readonly #publishMiddleware: PublishMiddleware[] = [];
  readonly #runMiddleware: RunMiddleware[] = [];
  readonly #handles: HandleHost;
  #closed = false;
  #closing: Promise<void> | undefined;

  /**
   * Reads options; does no I/O. The first call connects.
   * @throws {OptionError} for an invalid option
   */
  constructor(name: string, options: CeleriacOptions = {}) {
    const config = resolveAppOptions(name, options, process.env);
    this.name = name;
    this.#config = config;
    this.#logger = guarded(config.logger);
    this.#registry = makeRegistry(config, this.errors, () => this.#logger);
    const thread = threadHost();
    const parts = makeParts({
      name,
      config,
      engine: thread?.engineFor(name),
      caller: thread?.callerFor?.(name),
      routes: options.routes,
      errors: this.errors,
      registry: this.#registry,
      middleware: this.#publishMiddleware,
      logger: () => this.#logger,
    });
    this.#parts = parts;
    this.control = parts.control;
    this.queues = parts.queues;
    this.schedules = parts.schedules;
    this.failed = parts.failed;
    this.outbox = parts.outbox;
    const [registry, middleware, errors] = [this.#registry, this.#runMiddleware, this.errors];
    const wiring: Wiring = {
      app: this,
      name,
      errors,
      executor: executorParamsOf(parts, { config, registry, middleware, errors }),
      prepare: () => registry.instantiate((cls) => config.container.get(cls) as object | Promise<object>),
    };
    this.#wiring = wiring;
    this.#eager = makeEagerRunner(parts, { ...wiring, logger: this.#logger });
    if (config.taskAlwaysEager) this.#parts.sender.detour = this.#hereAndNow(true);
    this.#handles = {
      sender: this.#parts.sender,
      launcher: this.#parts.flows.launcher,
      result: (taskId) => this.result(taskId),
      apply: (target, args, callOptions) =>
        this.#parts.flows.launcher.apply(target, args, callOptions, this.#hereAndNow(false)),
    };
    thread?.made({ ...wiring, prefix: config.prefix, events: parts.events, container: config.container });
  }

  /** The options in force: plain data, secrets masked, frozen. Durations are milliseconds. */
  get conf(): AppConf {
    return confOf(this.#config, this.#parts.engine.address);
  }

  /** The names of the tasks registered here, sorted (Celery: `app.tasks`). */
  taskNames(): string[] {
    return this.#registry.names();
  }

  /**
   * Adds a service's tasks and returns their handles. `container.get(Class)` instantiates a class when a worker starts.
   * @throws {AlreadyRegisteredError} when a task name belongs to other code, or the class's calls to another instance
   */
  register<S extends object>(service: ServiceClass<S>, options?: RegisterOptions): Handles<S>;
  register<S extends object>(service: S, options?: RegisterOptions): Handles<S>;
  register<S extends object>(service: S | ServiceClass<S>, options: RegisterOptions = {}): Handles<S> {
    const tasks = this.#registry.addService(service, isReplacing(options));
    const { name } = typeof service === 'function' ? service : service.constructor;
    return makeHandles<S>(this.#handles, name, tasks);
  }

  /**
   * Returns handles without the service: from its class, which is not instantiated; or from its type and task names, so
   * that a calling process loads no code of the worker.
   * @example app.tasks(ReportService).generateReport.delay('42')
   * @example app.tasks<ReportService>()({ generateReport: 'generate_report_task' }).generateReport.delay('42')
   */
  tasks<S extends object>(service: ServiceClass<S>): Handles<S>;
  tasks<S extends object>(): <const N extends { readonly [K in keyof Handles<S>]?: TaskReference }>(
    names: N,
  ) => Pick<Handles<S>, Extract<keyof N, keyof Handles<S>>>;
  tasks<S extends object>(service?: ServiceClass<S>): unknown {
    if (service !== undefined) {
      const targets = this.#registry.targetsOf(service); // throws for anything but a class
      return makeHandles<S>(this.#handles, service.name, targets);
    }
    return (names: Readonly<Record<string, TaskReference>>) => {
      checkOptions(names, 'app.tasks<Service>()');
      const targets = Object.entries(names).map(
        ([method, reference]) => [method, this.#reference(reference)] as const,
      );
      return makeHandles<S>(this.#handles, 'This client', new Map(targets));
    };
  }

  /** Adds a task from a function; its `this` is the task's context. Arrow functions use `currentTask()`. */
  task<T, R>(
    name: string,
    options: TaskOptions & { readonly batch: object },
    fn: (this: TaskContext, items: T[]) => R,
  ): TaskHandle<[T], ShareIn<R>>;
  task<A extends unknown[], R>(
    name: string,
    fn: (this: TaskContext, ...args: A) => R,
  ): TaskHandle<A, ResultIn<R>, ChunkIn<R>>;
  task<A extends unknown[], R>(
    name: string,
    options: TaskOptions,
    fn: (this: TaskContext, ...args: A) => R,
  ): TaskHandle<A, ResultIn<R>, ChunkIn<R>>;
  task(name: string, second: unknown, third?: unknown): unknown {
    const { options, fn } = readFunctionTask(name, second, third);
    const task = this.#registry.addFunction(name, options, fn);
    return makeHandle(this.#handles, task);
  }

  /** Sends a task by name, for tasks of other programs. Goes to the broker even with `taskAlwaysEager`, as in Celery. */
  async sendTask<R = unknown, C = unknown>(
    name: string,
    args?: readonly unknown[],
    options?: SendOptions,
  ): Promise<AsyncResult<R, C>> {
    const { taskAlwaysEager } = this.#config;
    if (taskAlwaysEager)
      this.#logger.warn({ task: name }, 'sendTask sends to the broker, taskAlwaysEager or not');
    const given = [argumentsOf(args, 'app.sendTask'), sendOptionsOf(options, 'app.sendTask')] as const;
    const { launcher } = this.#parts.flows;
    return launcher.send<R, C>(this.#target(name), ...given, taskAlwaysEager ? 'to the broker' : undefined);
  }

  /**
   * Sends many signatures to any queues; returns their results in order. All signatures are checked before any is sent, so
   * an invalid one prevents all. With `transaction` they belong to your own database transaction.
   * @throws {DuplicateTaskError} when two of them have the same `taskId`; then nothing is sent
   */
  publish<N extends Composable>(
    signatures: Iterable<N & Complete<N>>,
    options?: ManyOptions,
  ): Promise<AsyncResult<Out<N>>[]> {
    return publishMany<Out<N>>(this.#parts, signatures, options);
  }

  /** The result of a task, from its id or from a result's JSON, in any process. */
  result<R = unknown, C = unknown>(idOrJson: string | ResultJson): AsyncResult<R, C> {
    const result = taskResultFrom<R, C>(this.#parts.results, idOrJson);
    return this.#parts.sender.detour?.find?.<R, C>(result.id) ?? result;
  }

  /**
   * The result of a group, from its id or from a result's JSON, in any process.
   * @throws {UnknownTaskError} when the group is unknown or its record has expired
   */
  async groupResult(idOrJson: string | GroupResultJson): Promise<GroupResult> {
    return this.#parts.flows.results.group(groupIdIn(idOrJson));
  }

  /** The signature of a task by name, or the signature or workflow of a JSON; a signature is returned as it is. */
  signature<R = unknown>(
    name: string,
    args?: readonly unknown[],
    options?: CallOptions,
  ): Signature<readonly unknown[], readonly unknown[], R, false>;
  signature<R = unknown>(json: ComposableJson): AnyComposable<R>;
  signature<S extends Composable>(signature: S): S;
  signature(
    from: string | ComposableJson | Composable,
    args: readonly unknown[] = [],
    options: CallOptions = {},
  ): unknown {
    const rebuild = new Rebuild(this.#parts.flows.launcher, (name) => this.#target(name));
    return typeof from === 'string' ? rebuild.task(from, args, options) : rebuild.from(from);
  }

  /**
   * Adds middleware around sending and running; the first added is outermost.
   * @throws {OptionError} for middleware with neither `publish` nor `run`
   */
  use(middleware: Middleware): this {
    addMiddleware(middleware, this.#publishMiddleware, this.#runMiddleware);
    return this;
  }

  /** Makes a worker in this process, or a process pool for `processes`. Call its `start()`. */
  worker(options: ProcessesOptions): WorkerProcesses;
  worker(options?: WorkerOptions): Worker;
  worker(options: WorkerOptions | ProcessesOptions = {}): Worker | WorkerProcesses {
    if (this.#closed) throw new AppClosedError();
    checkOptions(options, 'app.worker()');
    if (options.logger !== undefined && !this.#config.hasOwnLogger)
      this.#logger = guarded(checkLogger(options.logger, 'app.worker()'));
    const worker = makeWorker(options, this.#parts, {
      ...this.#wiring,
      config: this.#config,
      logger: this.#logger,
      onStopped: () => this.#workers.delete(worker),
    });
    this.#workers.add(worker);
    return worker;
  }

  /** BullMQ's own `Queue` of this name on the app's connection, closed with the app. Does not show tasks with limits. */
  bullmq(queue: string): BullmqQueue {
    return this.#parts.raw.get(queue);
  }

  /**
   * Calls `listener` for each event of this process. Errors of the listener are logged. Returns a function that stops it.
   * @example const off = app.on('task-failed', ({ name, id, exception }) => report(name, id, exception))
   * @throws {OptionError} for an unknown event name
   */
  on<N extends EventName>(event: N, listener: EventListener<N>): () => void {
    return this.#parts.events.on(event, listener);
  }

  /**
   * The events of the whole fleet from this call on, until the loop ends or `signal` aborts. An `events-lost` event gives
   * the number of events that a slow loop or a lost connection missed.
   * @example for await (const event of app.events({ signal })) console.log(event.type, event.timestamp)
   */
  events(options: EventsOptions = {}): AsyncIterableIterator<FleetEvent> {
    return this.#parts.events.stream(options);
  }

  /**
   * Adds a command for `app.control.broadcast`: workers run it, and reply with what it returns. Returns its removal.
   * @example app.onCommand('reload', async (args, { node }) => `${node} has reloaded`)
   * @throws {OptionError} for the name of a command of celeriac, or of one that has a handler
   */
  onCommand<A = unknown>(command: string, handler: CommandHandler<A>): () => void {
    return this.#parts.commands.add(command, handler);
  }

  /**
   * A live picture of workers and tasks, kept from events and begun with what the workers say they do.
   * @example const fleet = app.fleet(); await fleet.ready; console.log(fleet.snapshot().workers)
   */
  fleet(options: FleetOptions = {}): Fleet {
    return new Fleet({ ...this.#parts, ask: () => askFleet(this.inspect()) }, options);
  }

  /** Queries running workers. */
  inspect(options: AskOptions = {}): Inspect {
    return new Inspect(this.#parts.caller, options);
  }

  /** Checks what the app depends on: broker, clocks, round-trip times, workers, queues. Changes nothing. */
  doctor(): Promise<Diagnosis> {
    return examine({ ...this.#parts, lockDurationMs: this.#config.lockDurationMs });
  }

  /** Creates or upgrades the schema on PostgreSQL; does nothing on Redis. */
  migrate(): Promise<void> {
    return this.#parts.engine.migrate();
  }

  /**
   * Stops the app's workers, rejects pending `get()` with AppClosedError, and releases all that the app opened, even when a
   * step fails. Then rejects with that failure, and may be called again.
   */
  close(): Promise<void> {
    this.#closed = true;
    this.#closing ??= closeParts(this.#parts, this.#workers).catch((error: unknown) => {
      this.#closing = undefined;
      throw error;
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The text that `console.log(app)` shows. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const shown = { name: this.name, broker: this.#parts.engine.address, tasks: this.#registry.names() };
    return `Celeriac ${inspect(shown, options)}`;
  }

  /** Runs calls in this process. `sent`: calls that would otherwise have gone to the broker. */
  #hereAndNow(sent: boolean): Detour {
    const mode = { sent, propagates: this.#config.taskEagerPropagates };
    return { sends: sent, run: (envelope) => this.#eager.run(envelope, mode) };
  }

  #target(name: string): CallTarget {
    return this.#registry.get(name) ?? this.#reference(name);
  }

  #reference(reference: TaskReference): CallTarget {
    return targetOf(reference, this.#config.rules, this.errors);
  }
}

// `this.app` inside a task is the app itself; see TaskApp for why it is declared this way round.
declare module './tasks/context.js' {
  interface TaskApp extends Celeriac {}
}
