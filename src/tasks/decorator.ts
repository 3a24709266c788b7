/**
 * `@Task`: declares a method to be a task. It only records (see `declaration`) and wraps the method so that a direct
 * call is a plain call, also from inside another running task. It must never register a task; the app does that.
 */
import { OptionError } from '../errors.js';
import { checkTaskOptions, type TaskOptions } from '../options/task-options.js';
import { type CallScope, currentScope, runDirectly } from './context.js';
import { type Declaration, declare, declareOn } from './declaration.js';
import { refuseGenerator, refuseSyncGenerator } from './generating.js';

type Method<A extends unknown[] = never[], R = unknown> = (...args: A) => R;

/** Fits a method under legacy decorators (with or without metadata) and under standard ones. */
export interface TaskDecorator {
  <F extends Method>(method: F, context: StandardContext & { readonly kind: 'method' }): F | undefined;
  <F extends Method>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<F>,
  ): TypedPropertyDescriptor<F> | undefined;
}

/**
 * Declares a method of a service to be a task.
 *
 * @param name the task's name in the broker; default `ClassName.method`
 * @param options see {@link TaskOptions}
 * @throws {OptionError} for anything but a method, and for invalid options
 * @example class ReportService extends TaskService { \@Task('generate_report_task', { maxRetries: 5 }) async
 * generateReport(reportId: string): Promise<string> { … } }
 */
export function Task(name?: string, options?: TaskOptions): TaskDecorator;
export function Task(options: TaskOptions): TaskDecorator;
export function Task(nameOrOptions?: string | TaskOptions, maybeOptions?: TaskOptions): TaskDecorator {
  const [name, options] = readArguments(nameOrOptions, maybeOptions);
  checkTaskOptions(options, name === undefined ? '@Task' : `@Task('${name}')`);

  function decorate(target: unknown, second: unknown, descriptor?: PropertyDescriptor): unknown {
    // Standard decorators pass a context object with a `kind`; legacy ones pass a key and a descriptor.
    if (isStandardContext(second)) {
      const method = methodOf(target, second.name, second.kind === 'method' && !second.static);
      const declaration: Declaration = { name, options, method: second.name };
      if (second.metadata !== undefined) declareOn(second.metadata, declaration);
      return wrap(method, declaration);
    }
    const key = second as PropertyKey;
    const isPrototype = typeof target === 'object' && target !== null;
    const method = methodOf(descriptor?.value, key, isPrototype);
    const declaration: Declaration = { name, options, method: key };
    declareOn(target as object, declaration);
    return { ...descriptor, value: wrap(method, declaration) };
  }
  return decorate as TaskDecorator;
}

function readArguments(first: unknown, second: unknown): [string | undefined, TaskOptions] {
  const [name, options] = typeof first === 'object' ? [undefined, first] : [first, second];
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw new OptionError(`@Task: a name must be a non-empty string; got ${String(name)}.`);
  }
  return [name, (options ?? {}) as TaskOptions];
}

/** The context of a standard decorator: the part of `ClassMethodDecoratorContext` used here. */
export interface StandardContext {
  readonly kind: string;
  readonly name: string | symbol;
  readonly static: boolean;
  /** Set if the compiler supports it. */
  readonly metadata?: object | undefined;
}

function isStandardContext(value: unknown): value is StandardContext {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

function methodOf(value: unknown, key: PropertyKey, isInstanceMethod: boolean): Method<unknown[]> {
  refuseSyncGenerator(value, `@Task on "${String(key)}"`);
  if (isInstanceMethod && typeof value === 'function' && typeof key === 'string')
    return value as Method<unknown[]>;
  throw new OptionError(`@Task on "${String(key)}": only ordinary methods with a string name can be tasks.`);
}

function wrap(original: Method<unknown[]>, declaration: Declaration): Method<unknown[]> {
  if (declaration.options.batch != null)
    refuseGenerator(original, `@Task on "${String(declaration.method)}"`);
  function task(this: unknown, ...args: unknown[]): unknown {
    const scope = currentScope();
    const awaiting = scope?.awaiting;
    if (scope !== undefined && enters(scope, this, declaration.method, task)) {
      if (awaiting?.wrapped !== true) return original.apply(this, args);
      // A decorator above may call it again, for instance to retry: that is still the same call.
      return afterwards(
        () => original.apply(this, args),
        () => {
          scope.awaiting = awaiting;
        },
      );
    }
    return runDirectly(declaration.name ?? String(declaration.method), args, () =>
      original.apply(this, args),
    );
  }
  Object.defineProperty(task, 'name', { value: original.name, configurable: true });
  Object.defineProperty(task, 'length', { value: original.length, configurable: true });
  declare(task, declaration);
  return task;
}

/** Runs `body`, and `then` once it has ended, synchronously or not. */
function afterwards(body: () => unknown, then: () => void): unknown {
  let result: unknown;
  try {
    result = body();
  } catch (error) {
    then();
    throw error;
  }
  if (result instanceof Promise) return result.finally(then);
  then();
  return result;
}

/** True if the worker opened the scope for this call, or if it is that call's `super` call. */
function enters(scope: CallScope, instance: unknown, method: PropertyKey, wrapper: unknown): boolean {
  const { awaiting, entered } = scope;
  if (awaiting !== undefined && awaiting.instance === instance && awaiting.method === method) {
    scope.awaiting = undefined;
    scope.entered = { instance, method, wrapper };
    return true;
  }
  return (
    entered !== undefined &&
    entered.instance === instance &&
    entered.method === method &&
    entered.wrapper !== wrapper
  );
}
