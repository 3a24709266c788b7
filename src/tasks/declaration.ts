/**
 * What `@Task` leaves behind, and the only reader of it and of `Reflect` metadata. The mark sits on the method's
 * function itself, so it works under legacy and standard decorators, is inherited, and needs no global store.
 * Copies of this package share the mark through `Symbol.for`.
 */
import 'reflect-metadata';
import type { TaskOptions } from '../options/task-options.js';

const MARK = Symbol.for('celeriac.task');

/** What was written at `@Task(...)`. */
export interface Declaration {
  /** The name given, or undefined for the default `Class.method`. */
  readonly name: string | undefined;
  readonly options: TaskOptions;
  readonly method: PropertyKey;
}

/** Marks a method's function as a task. */
export function declare(method: object, declaration: Declaration): void {
  Object.defineProperty(method, MARK, { value: declaration, configurable: true });
}

/** The declaration on a function, if it is a task. */
function declarationOf(value: unknown): Declaration | undefined {
  if (typeof value !== 'function' || !Object.hasOwn(value, MARK)) return undefined;
  return (value as { [MARK]?: Declaration })[MARK];
}

/** A task found on a class. */
export interface DeclaredTask {
  readonly method: string;
  readonly declaration: Declaration;
  /** The class that declares it: where the default name and the argument types come from. */
  readonly owner: Function_;
}

type Function_ = abstract new (...args: never[]) => object;

/** The tasks of a prototype and its parents, nearest first; an override without `@Task` keeps the parent's task. */
export function declaredTasks(prototype: object): Map<string, DeclaredTask> {
  const found = new Map<string, DeclaredTask>();
  for (const link of prototypeChain(prototype)) {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(link))) {
      const declaration = declarationOf(property.value);
      if (declaration === undefined || found.has(key)) continue;
      found.set(key, { method: key, declaration, owner: link.constructor as Function_ });
    }
  }
  return found;
}

/** `prototype`, its parent and so on, without `Object.prototype`. */
export function* prototypeChain(prototype: object): Generator<object> {
  for (let link: object | null = prototype; link !== null && link !== Object.prototype; ) {
    yield link;
    link = Object.getPrototypeOf(link) as object | null;
  }
}

/** The parameter types TypeScript emitted for a method, when `emitDecoratorMetadata` was on. */
export function emittedParameterTypes(prototype: object, method: string): readonly unknown[] | undefined {
  const types: unknown = Reflect.getMetadata('design:paramtypes', prototype, method);
  return Array.isArray(types) ? types : undefined;
}
