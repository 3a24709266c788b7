/**
 * The tasks this process can run, by name, added by `app.register` and `app.task`. Services registered as classes are
 * made when a worker starts, never at registration.
 */
import { AlreadyRegisteredError, OptionError } from '../errors.js';
import type { ArgsRepr } from '../options/args-repr.js';
import { checkTaskName } from '../options/checks.js';
import { type DeclaredSchedule, readDeclared } from '../options/declared-schedules.js';
import type { Logger } from '../options/logger.js';
import { present } from '../options/merge.js';
import { nearest } from '../options/names.js';
import { checkDeclared } from '../options/queues.js';
import type { SerializerOption } from '../options/serializers.js';
import type { TaskOptions } from '../options/task-options.js';
import {
  needsLane,
  type PublishPolicy,
  type RunPolicy,
  resolvePublishPolicy,
  resolveRunPolicy,
} from '../options/task-options.js';
import { annotated, type TaskRules } from '../options/task-rules.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import { show } from '../show.js';
import { type ArgumentChecker, compileArguments } from './arguments.js';
import type { EntryPoint, TaskContext } from './context.js';
import { declaredTasks, emittedParameterTypes, prototypeChain } from './declaration.js';
import { refuseGenerator, refuseSyncGenerator } from './generating.js';
import { Serializers } from './serializers.js';
import { checkNoShadowing, type TaskHooks } from './service.js';
import { hides } from './shown-arguments.js';

/** A service class. */
export type ServiceClass<S extends object = object> = abstract new (...args: never[]) => S;

/** A task as its callers know it. */
export interface CallTarget {
  readonly name: string;
  readonly publish: PublishPolicy;
  /** The names of its own options, which beat those of routes. */
  readonly own: ReadonlySet<string>;
  readonly checker: ArgumentChecker | undefined;
  /** Its code gets a list, to which each call brings one entry as its only argument. */
  readonly batch?: true;
  /** What is shown instead of its arguments. */
  readonly argsRepr?: ArgsRepr | undefined;
  /** Its arguments are a list of argument lists: it runs once with each (`map`, `starmap`). */
  readonly each?: true;
  /** True if its options require a lane of its own. */
  readonly lane: boolean;
}

/** A task this process can run. */
export interface RegisteredTask extends CallTarget {
  readonly run: RunPolicy;
  /** Its declared schedules. */
  readonly schedules: readonly DeclaredSchedule[];
  /** Its code: a second registration with the same code is the same task. */
  readonly code: unknown;
  readonly target: MethodTarget | FunctionTarget;
}

/** A method of a service. */
export interface MethodTarget {
  readonly kind: 'method';
  readonly method: string;
  /** True if a decorator above `@Task` wraps the method. */
  readonly wrapped: boolean;
  readonly service: ServiceSlot;
}

/** A function given to `app.task`. */
export interface FunctionTarget {
  readonly kind: 'function';
  readonly fn: (this: TaskContext, ...args: unknown[]) => unknown;
}

/** A service: its class, and its instance once there is one. */
export interface ServiceSlot {
  readonly cls: ServiceClass;
  instance: (object & TaskHooks & Record<string, unknown>) | undefined;
}

/** The entry point of a method target, for its scope. */
export function entryPoint(target: MethodTarget): EntryPoint {
  return { instance: target.service.instance, method: target.method, wrapped: target.wrapped };
}

/** Collects tasks; one per app. */
export class Registry {
  readonly #tasks = new Map<string, RegisteredTask>();
  readonly #services = new Map<ServiceClass, ServiceSlot>();
  #made: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<(task: RegisteredTask) => void>();
  /** The classes whose short names were warned about. */
  readonly #warned = new WeakSet<ServiceClass>();

  constructor(
    private readonly rules: TaskRules,
    /** Learns the error classes that task options name. */
    private readonly errors: ErrorClasses,
    private readonly logger: () => Logger = () => SILENT,
    /** Learns the serializers that task options bring. */
    readonly serializers = new Serializers(),
  ) {}

  /**
   * Adds every task of a service, and says which method is which task.
   * @param replace take the calls over from another instance of the class
   * @throws {AlreadyRegisteredError} when a name is taken by other code, or the class's calls by another instance
   * @throws {OptionError} for a service without tasks, or one that hides TaskService's members
   */
  addService(service: object, replace = false): Map<string, RegisteredTask> {
    const isClass = typeof service === 'function';
    const cls = checkClass(isClass ? service : service?.constructor);
    const prototype = (isClass ? cls.prototype : service) as object;
    checkNoShadowing(prototype, cls.name);
    const declared = declaredTasks(prototype);
    if (declared.size === 0) {
      throw new OptionError(
        `${cls.name || 'This service'} has no method with @Task, so there is nothing to register. Put @Task() above a method.`,
      );
    }
    const slot = this.#services.get(cls) ?? { cls, instance: undefined };
    if (!isClass && !replace) refuseSecond(slot, service);
    const tasks = this.#tasksOf(prototype, slot);
    for (const task of tasks.values()) this.#refuseOther(task);
    if (!isClass) slot.instance = service as NonNullable<ServiceSlot['instance']>;
    this.#services.set(cls, slot);
    for (const task of tasks.values()) this.#add(task);
    return tasks;
  }

  /** The tasks of a service class as its callers see them; registers and constructs nothing. */
  targetsOf(cls: ServiceClass): Map<string, CallTarget> {
    checkClass(cls);
    const slot = this.#services.get(cls) ?? { cls, instance: undefined };
    const tasks = this.#tasksOf(cls.prototype as object, slot);
    for (const task of tasks.values()) this.errors.registerFor(task.name, task.run.namedErrors);
    return tasks;
  }

  /** Adds one function as a task. */
  addFunction(name: string, options: TaskOptions, fn: FunctionTarget['fn']): RegisteredTask {
    refuseSyncGenerator(fn, `task "${name}"`);
    if (options.batch != null) refuseGenerator(fn, `task "${name}"`);
    const task = this.#build(name, options, undefined, { code: fn, target: { kind: 'function', fn } });
    this.#refuseOther(task);
    this.#add(task);
    return task;
  }

  get(name: string): RegisteredTask | undefined {
    return this.#tasks.get(name);
  }

  /** Calls `listener` for each task added from now on, until the returned function is called. */
  onAdded(listener: (task: RegisteredTask) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  all(): RegisteredTask[] {
    return [...this.#tasks.values()];
  }

  names(): string[] {
    return [...this.#tasks.keys()].sort();
  }

  /** The registered name closest to `name`. */
  nearest(name: string): string | undefined {
    return nearest(name, this.#tasks.keys());
  }

  /** Makes the services that were registered as classes, each once. Called when a worker starts, and by later tasks. */
  instantiate(make: (cls: ServiceClass) => object | Promise<object>): Promise<void> {
    const made = this.#made.then(() => this.#instantiateAll(make));
    this.#made = made.catch(() => undefined); // the caller gets the error; the next call tries again
    return made;
  }

  async #instantiateAll(make: (cls: ServiceClass) => object | Promise<object>): Promise<void> {
    for (const slot of this.#services.values()) {
      if (slot.instance !== undefined) continue;
      slot.instance = this.#checkInstance(await make(slot.cls), slot);
    }
  }

  /** @throws {OptionError} if the container returned something else */
  #checkInstance(given: unknown, slot: ServiceSlot): NonNullable<ServiceSlot['instance']> {
    const instance = given as NonNullable<ServiceSlot['instance']>;
    const whole =
      typeof given === 'object' &&
      given !== null &&
      this.#methodsOf(slot).every((method) => typeof instance[method] === 'function');
    if (!whole)
      throw new OptionError(
        `container.get(${slot.cls.name}) gave ${show(given)}. It must give an instance of the class, with its task methods.`,
      );
    checkNoShadowing(instance, slot.cls.name);
    return instance;
  }

  #methodsOf(slot: ServiceSlot): string[] {
    return this.all().flatMap(({ target }) =>
      target.kind === 'method' && target.service === slot ? [target.method] : [],
    );
  }

  #tasksOf(prototype: object, slot: ServiceSlot): Map<string, RegisteredTask> {
    const tasks = new Map<string, RegisteredTask>();
    for (const { method, declaration, wrapped } of declaredTasks(prototype).values()) {
      const name = declaration.name ?? `${this.#labelOf(slot.cls)}.${method}`;
      const { options } = declaration;
      const emitted = options.args === undefined ? emittedParameterTypes(prototype, method) : undefined;
      const target = { kind: 'method', method, wrapped, service: slot } as const;
      tasks.set(method, this.#build(name, options, emitted, { code: codeOf(prototype, method), target }));
    }
    if (tasks.size > 0) return tasks;
    throw new OptionError(
      `${slot.cls.name || 'This service'} has no method with @Task, so there is nothing to call or run.`,
    );
  }

  /** The class part of a default name: the class itself, even if it inherits the method. */
  #labelOf(cls: ServiceClass): string {
    const label = labelOf(cls);
    if (label.length <= 2 && !this.#warned.has(cls)) {
      this.#warned.add(cls);
      this.logger().warn(
        { class: label },
        `the class name "${label}" looks like a minifier's, and another build may give another one: its tasks that have ` +
          "no name of their own will not be found then. Name them, as in @Task('mail.send'), or keep class names",
      );
    }
    return label;
  }

  #add(task: RegisteredTask): void {
    this.#tasks.set(task.name, task);
    this.errors.registerFor(task.name, task.run.namedErrors);
    for (const cls of task.run.namedErrors) if (cls.name !== '') this.errors.register(cls);
    for (const listener of this.#listeners) listener(task);
  }

  #build(
    name: string,
    declared: TaskOptions,
    parameterTypes: readonly unknown[] | undefined,
    rest: Pick<RegisteredTask, 'code' | 'target'>,
  ): RegisteredTask {
    checkTaskName(name, 'a task');
    const where = `task "${name}"`;
    const { defaults = {}, queues } = this.rules;
    const options = annotated(this.rules, name, declared);
    const argsRepr = options.argsRepr ?? defaults.argsRepr;
    const publish = resolvePublishPolicy(options, defaults, where);
    if (publish.queue !== undefined) checkDeclared(queues, publish.queue, where);
    if (publish.serializer !== undefined) this.#learn(publish.serializer, where);
    const discreet = hides({ publish, argsRepr });
    const origin = { taskName: name, explicit: options.args !== undefined, discreet };
    const run = resolveRunPolicy(options, defaults, where);
    // What a method's first parameter is declared as is the list, not what a call brings.
    const emitted = run.batch === undefined ? parameterTypes : undefined;
    return {
      name,
      publish,
      ...(argsRepr !== undefined && { argsRepr }),
      own: new Set(Object.keys(present(options))),
      run,
      schedules: readDeclared(options.schedule, name, `${where}: schedule`),
      lane: needsLane(run),
      checker: compileArguments(options.args ?? emitted ?? [], origin),
      ...(run.batch !== undefined && { batch: true as const }),
      ...rest,
    };
  }

  #learn(serializer: SerializerOption, where: string): void {
    try {
      this.serializers.of(serializer);
    } catch (error) {
      throw error instanceof OptionError ? new OptionError(`${where}: ${error.message}`) : error;
    }
  }

  #refuseOther(task: RegisteredTask): void {
    const known = this.#tasks.get(task.name);
    if (known === undefined) return;
    if (known.code !== task.code)
      throw new AlreadyRegisteredError(
        `The task name "${task.name}" is already taken by other code. Give one of the two another name in @Task.`,
      );
    const [theirs, mine] = [classOf(known), classOf(task)];
    if (theirs === mine) return;
    // Otherwise one of them would run the other's calls.
    throw new AlreadyRegisteredError(
      `The task name "${task.name}" is already taken by ${theirs?.name}, which inherits the same method as ${mine?.name}. ` +
        `Give ${mine?.name} a method of its own for it, with another name in @Task.`,
    );
  }
}

/** @throws {AlreadyRegisteredError} the calls of this class go to another instance */
function refuseSecond({ cls, instance }: ServiceSlot, service: object): void {
  if (instance === undefined || instance === service) return;
  throw new AlreadyRegisteredError(
    `${labelOf(cls)} is registered already, and this is a second instance of it: each task has one that runs it. ` +
      'Register the class once, or pass { replace: true } to give its calls to this one.',
  );
}

/** The class's name; a class without one, as decorators make them, uses its parent's. */
function labelOf(cls: ServiceClass): string {
  for (let link: unknown = cls; typeof link === 'function'; link = Object.getPrototypeOf(link)) {
    const name: unknown = Reflect.get(link, 'name');
    if (typeof name === 'string' && name !== '') return name;
  }
  return 'This service';
}

/** A method's own function, before any getter that binds it; its identity is that of the code. */
function codeOf(prototype: object, method: string): unknown {
  for (const link of prototypeChain(prototype)) {
    const property = Object.getOwnPropertyDescriptor(link, method);
    if (property !== undefined) return property.value ?? property.get;
  }
  return undefined;
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** The class of a task that is a method. */
function classOf({ target }: RegisteredTask): ServiceClass | undefined {
  return target.kind === 'method' ? target.service.cls : undefined;
}

/** @throws {OptionError} for anything but a class, for example an arrow function */
function checkClass(cls: unknown): ServiceClass {
  if (typeof cls === 'function' && typeof cls.prototype === 'object' && cls.prototype !== null)
    return cls as ServiceClass;
  throw new OptionError(
    `a service is a class with @Task methods, or an instance of one; ${show(cls)} is neither. ` +
      'Two files that import each other see undefined.',
  );
}
