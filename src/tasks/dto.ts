/**
 * Arguments declared by class-validator DTO classes. A DTO is checked as an instance, the form in which the method gets
 * it. class-validator takes about 100 ms to load, so it is loaded at the first check. If class-transformer is
 * installed, it builds nested instances; without it only the outermost object becomes one.
 */
import type { ValidationError } from 'class-validator';
import type { Violation } from '../errors.js';
import { loadPackage, loadPeer } from '../package-loading.js';
import { setOwn } from '../text-escape.js';
import type { ArgumentReader, Reading } from './argument-reader.js';
import packages from './dto-packages.cjs';

/** A class whose properties carry class-validator decorators. */
export type DtoClass = new (...args: never[]) => object;

/** `true` for a class with class-validator decorators, its parents' included. Loads nothing. */
export function isDtoClass(spec: unknown): spec is DtoClass {
  if (typeof spec !== 'function') return false;
  // class-validator keeps all its decorators in one global store: without the store there is no DTO.
  const storage: unknown = Reflect.get(globalThis, 'classValidatorMetadataStorage');
  return isStorage(storage) && storage.getTargetValidationMetadatas(spec, '', false, false).length > 0;
}

/** Reads an argument as an instance of a DTO class. */
export function dtoReader(cls: DtoClass): ArgumentReader {
  let library: Library | undefined;
  return async (value, path): Promise<Reading> => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const message = `must be an object (${cls.name}), got ${describe(value)}`;
      return { value: undefined, violations: [{ path, message }] };
    }
    library ??= loadLibrary();
    const instance = library.toInstance(cls, value);
    const errors = await library.validate(instance, VALIDATE);
    return { value: instance, violations: errors.flatMap((error) => flatten(error, path, library?.nests)) };
  };
}

const VALIDATE = {
  // If off, an object whose class has no decorators would pass unchecked.
  forbidUnknownValues: true,
  validationError: { target: false, value: false },
};

interface Storage {
  getTargetValidationMetadatas(
    cls: unknown,
    schema: string,
    always: boolean,
    strict: boolean,
  ): readonly unknown[];
}

function isStorage(value: unknown): value is Storage {
  return typeof value === 'object' && value !== null && 'getTargetValidationMetadatas' in value;
}

interface Library {
  validate(instance: object, options: typeof VALIDATE): Promise<readonly ValidationError[]>;
  toInstance(cls: DtoClass, value: object): object;
  /** True if nested objects become instances too. */
  readonly nests: boolean;
}

function loadLibrary(): Library {
  const { validate } = loadPackage(packages.classValidator);
  return { validate: (instance, options) => validate(instance, options), ...transformer() };
}

function transformer(): Pick<Library, 'toInstance' | 'nests'> {
  const library = loadPeer('class-transformer', packages.classTransformer);
  // An optional peer: without it the DTO itself is built here, and nested objects stay plain.
  if (library === undefined) return { toInstance: assignToInstance, nests: false };
  const { plainToInstance } = library;
  return { toInstance: (cls, value) => plainToInstance(cls as new () => object, value), nests: true };
}

function assignToInstance(cls: DtoClass, value: object): object {
  const instance = new (cls as new () => object)();
  for (const [key, item] of Object.entries(value)) {
    // As in class-transformer: these keys would change the instance's prototype.
    if (key !== '__proto__' && key !== 'constructor') setOwn(instance, key, item);
  }
  return instance;
}

function flatten(error: ValidationError, parent: string, nests = true): Violation[] {
  const path = error.property === undefined ? parent : `${parent}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    path,
    message: rule === 'unknownValue' && !nests ? NEEDS_TRANSFORMER : message,
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, path, nests))];
}

const NEEDS_TRANSFORMER =
  'is a nested object, which only the package class-transformer makes an instance of its class: install it';

function describe(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : value === undefined ? 'nothing' : `a ${typeof value}`;
}
