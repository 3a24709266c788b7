/**
 * The marks that `@Task` sets, and the only reader of them and of decorator metadata. A mark is on the method's
 * function and on the class, because a decorator above `@Task` may replace the function. Both work with legacy and
 * standard decorators, and need no global store. Copies of this package share them through `Symbol.for`.
 */
import 'reflect-metadata';
import type { TaskOptions } from '../options/task-options.js';

const MARK = Symbol.for('celeriac.task');
const DECLARED = Symbol.for('celeriac.tasks');

/** Compilers pass a class's metadata to standard decorators only if this symbol exists. */
const METADATA = metadataSymbol();

/** The arguments of `@Task(...)`. */
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

/**
 * Marks the class too, so that the task is found even if a decorator replaces its function.
 * @param holder the prototype (legacy decorators), or the class's metadata (standard ones)
 */
export function declareOn(holder: object, declaration: Declaration): void {
  if (!Object.hasOwn(holder, DECLARED)) Object.defineProperty(holder, DECLARED, { value: new Map() });
  (holder as { [DECLARED]: Map<PropertyKey, Declaration> })[DECLARED].set(declaration.method, declaration);
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
  /** True if a decorator above `@Task` replaced the method by a function of its own. */
  readonly wrapped: boolean;
}

/** The tasks of a prototype and its parents, nearest first; an override without `@Task` keeps the parent's task. */
export function declaredTasks(prototype: object): Map<string, DeclaredTask> {
  const found = new Map<string, DeclaredTask>();
  for (const link of prototypeChain(prototype)) {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(link))) {
      const declaration = declarationOf(property.value);
      if (declaration !== undefined && !found.has(key))
        found.set(key, { method: key, declaration, wrapped: false });
    }
    for (const [key, declaration] of declaredOn(link))
      if (!found.has(key)) found.set(key, { method: key, declaration, wrapped: true });
  }
  return found;
}

function* declaredOn(prototype: object): Generator<readonly [string, Declaration]> {
  const cls: unknown = Object.hasOwn(prototype, 'constructor') ? prototype.constructor : undefined;
  const metadata: unknown =
    typeof cls === 'function' && Object.hasOwn(cls, METADATA) ? Reflect.get(cls, METADATA) : undefined;
  for (const holder of [prototype, metadata]) {
    if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, DECLARED)) continue;
    const declared = Reflect.get(holder, DECLARED) as ReadonlyMap<PropertyKey, Declaration>;
    for (const [key, declaration] of declared) if (typeof key === 'string') yield [key, declaration];
  }
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

function metadataSymbol(): symbol {
  const known: unknown = Reflect.get(Symbol, 'metadata');
  if (typeof known === 'symbol') return known;
  const metadata = Symbol.for('Symbol.metadata');
  Object.defineProperty(Symbol, 'metadata', { value: metadata });
  return metadata;
}
