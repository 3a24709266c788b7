/**
 * Finds the class of a stored error and rebuilds the error. This file must never run a user's constructor: an arriving
 * error must not open files, or fail on arguments that were not stored.
 */
import * as errors from '../errors.js';
import { isErrorClass } from '../options/checks.js';

/** A class of errors. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/** The fields of a stored error that decide its class. */
export interface NamedError {
  readonly name: string;
  /** The task that threw it. */
  readonly task?: string | undefined;
  /** True for an error of celeriac's own, as against a user's error of the same name. */
  readonly ours?: boolean;
}

/** The error classes known to this app: built-in ones, celeriac's, and those registered. */
export class ErrorClasses {
  readonly #registered = new Map<string, ErrorClass>();
  readonly #ofTasks = new Map<string, ReadonlyMap<string, ErrorClass>>();

  /**
   * Makes errors of this class come back as instances of it.
   * @param name the name stored errors carry; default the class's own. The last class registered under a name wins.
   * @throws {OptionError} if `cls` is not a class that extends Error, or has no name
   */
  register(cls: ErrorClass, name: string = cls?.name): void {
    if (!isErrorClass(cls)) {
      throw new errors.OptionError(`errors.register: ${String(name)} is not a class that extends Error.`);
    }
    if (typeof name !== 'string' || name === '') {
      throw new errors.OptionError(
        'errors.register: the class has no name. Give one as the second argument.',
      );
    }
    this.#registered.set(name, cls);
  }

  /** Registers the classes that a task declares. For errors of this task they win over other classes of the same name. */
  registerFor(task: string, classes: readonly ErrorClass[]): void {
    if (classes.length > 0) this.#ofTasks.set(task, new Map(classes.map((cls) => [cls.name, cls])));
  }

  /** The class to rebuild the error with; `undefined` when none is known. */
  lookup({ name, task, ours = false }: NamedError): ErrorClass | undefined {
    const own = ours ? OURS.get(name) : undefined;
    const declared = task === undefined ? undefined : this.#ofTasks.get(task)?.get(name);
    return own ?? declared ?? this.#registered.get(name) ?? BUILT_IN.get(name);
  }
}

/** What an error is rebuilt from. */
export interface ErrorParts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly errorClass: ErrorClass | undefined;
  /** Present when the error had a cause, even an undefined one. */
  readonly cause?: unknown;
  readonly errors?: readonly unknown[] | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Rebuilds the error as an instance of its class, with its original stack. */
export function rebuildError(parts: ErrorParts): Error {
  const error = blankError(parts);
  define(error, 'stack', parts.stack ?? `${parts.name}: ${parts.message}`, false);
  if (error.name !== parts.name) define(error, 'name', parts.name, false);
  if ('cause' in parts) define(error, 'cause', parts.cause, false);
  if (parts.errors !== undefined) define(error, 'errors', [...parts.errors], false);
  for (const [key, value] of Object.entries(parts.fields)) {
    if (!RESERVED.has(key)) define(error, key, value, true);
  }
  return error;
}

const RESERVED: ReadonlySet<string> = new Set([
  'name',
  'message',
  'stack',
  'cause',
  'errors',
  '__proto__',
  'constructor',
]);

function blankError({ name, message, errorClass }: ErrorParts): Error {
  const exception: unknown = Reflect.get(globalThis, 'DOMException');
  if (errorClass !== undefined && errorClass === exception) {
    // Its name and message live in internal slots that only its own constructor fills.
    return new (errorClass as unknown as new (message: string, name: string) => Error)(message, name);
  }
  // A native error with another prototype, so that inspect and structuredClone treat it as an error.
  const error = new Error(message);
  if (errorClass !== undefined) Object.setPrototypeOf(error, errorClass.prototype as object);
  return error;
}

function define(error: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}

const BUILT_IN: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>([
  ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
    (cls): [string, ErrorClass] => [cls.name, cls],
  ),
  ['DOMException', Reflect.get(globalThis, 'DOMException') as ErrorClass],
]);

const OURS: ReadonlyMap<string, ErrorClass> = new Map(
  Object.values<unknown>(errors)
    .filter(isErrorClass)
    .map((cls): [string, ErrorClass] => [cls.name, cls]),
);
