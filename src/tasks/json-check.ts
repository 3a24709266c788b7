/**
 * The single pass of the default serializer: refuses values that JSON would change or drop, and names their path. A
 * plain value is returned as it is. Class instances, `toJSON` results and rebuilt dates are returned in a copy of their
 * container, so that nothing is read twice. The pass also notes whether some text needs escaping.
 *
 * These count as absent, as in JSON: properties that are undefined, symbol keys of class instances, names on arrays.
 */
import { types } from 'node:util';
import { NotSerializableError } from '../errors.js';
import { isPlainText, setOwn } from '../text-escape.js';
import { builtInName, isPlainObject, toJsonMethod } from './built-in.js';

/** Deeper values are refused: PostgreSQL and most JSON readers in other languages fail near this depth. */
export const MAX_DEPTH = 1000;

/** Keys from the root to a value. */
export type Keys = readonly (string | number)[];

/** The result of a check. */
export interface JsonCheck<T> {
  /** JSON-safe; the given value itself if nothing had to change. */
  readonly value: T;
  /** Some string or key holds NUL or a lone surrogate. */
  readonly needsEscape: boolean;
  /** Where a leniently checked value was replaced by its JSON form. */
  readonly converted: readonly Keys[];
}

/**
 * Checks one value.
 * @param root the value's name in errors: `result`
 * @throws {NotSerializableError} with the path of the first value JSON would change
 */
export function checkJson(value: unknown, root: string): JsonCheck<unknown> {
  const walk = new Walk(root);
  return walk.run(() => walk.visitItem(value));
}

/**
 * Checks the arguments of a call.
 * @param isLenient positions whose schema may rebuild a Date, URL, BigInt, Map or Set from its JSON form: there it is
 *   replaced and reported in `converted`
 * @throws {NotSerializableError} with a path such as `args[0].when`
 */
export function checkJsonArgs(
  args: readonly unknown[],
  isLenient?: (index: number) => boolean,
): JsonCheck<readonly unknown[]> {
  const walk = new Walk('args');
  return walk.run(() => walk.visitArgs(args, isLenient));
}

/** `args[0]["due date"].when` */
export function showPath(root: string, keys: Keys): string {
  let path = root;
  for (const key of keys) {
    if (typeof key === 'number') path += `[${key}]`;
    else path += /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  }
  return path;
}

const NO_KEY = -1;

const RICH = "use serializer: 'rich'";

const ADVICE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Date: `send it as a string, declare a schema that rebuilds it (z.coerce.date(), @Type(() => Date)), or ${RICH}`,
    Map: `send Object.fromEntries(map), or ${RICH}`,
    Set: `send [...set], or ${RICH}`,
    Error: `send its message, or ${RICH}`,
    Promise: 'await it first',
  }),
);

class Walk {
  needsEscape = false;
  lenient = false;
  readonly converted: Keys[] = [];
  /** The containers around the value being visited, and the key taken in each. */
  readonly #ancestors: object[] = [];
  readonly #keys: (string | number)[] = [];

  constructor(private readonly root: string) {}

  run<T>(visit: () => T): JsonCheck<T> {
    try {
      return { value: visit(), needsEscape: this.needsEscape, converted: this.converted };
    } catch (error) {
      if (error instanceof NotSerializableError) throw error;
      // A user's getter, toJSON or proxy trap may throw anything.
      const path = this.#path();
      const reason = error instanceof Error ? error.message : typeof error;
      throw new NotSerializableError(
        `${path} could not be read (${reason}). Send plain data instead of an object whose reading fails.`,
        path,
        { cause: error },
      );
    }
  }

  visitArgs(
    args: readonly unknown[],
    isLenient: ((index: number) => boolean) | undefined,
  ): readonly unknown[] {
    let copy: unknown[] | undefined;
    this.#ancestors.push(args);
    for (let index = 0; index < args.length; index++) {
      this.#keys[0] = index;
      this.lenient = isLenient?.(index) === true;
      const item = args[index];
      const visited = this.visitItem(item);
      if (visited !== item) copy ??= args.slice();
      if (copy !== undefined) copy[index] = visited;
    }
    return copy ?? args;
  }

  /** Visits an element of a list: undefined would leave a hole that JSON fills with null. */
  visitItem(value: unknown): unknown {
    const visited = this.visit(value);
    if (visited !== undefined) return visited;
    return this.#refuse('is undefined, which JSON turns into null', `send null, or ${RICH}`);
  }

  /** The JSON-safe form of a value; undefined stands for an absent property. */
  visit(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        if (!isPlainText(value)) this.needsEscape = true;
        return value;
      case 'boolean':
        return value;
      case 'number':
        if (Number.isFinite(value)) return value;
        return this.#refuse(`is ${value}, which JSON turns into null`, `send null or a string, or ${RICH}`);
      case 'object':
        return value === null ? null : this.#visitObject(value);
      case 'bigint':
        if (this.lenient) return this.#convert(String(value));
        return this.#refuse('is a BigInt, which JSON cannot carry', `send it as a string, or ${RICH}`);
      case 'undefined':
        return undefined;
      default:
        return this.#refuse(`is a ${typeof value}, which JSON drops`, 'leave it out');
    }
  }

  /** Undefined only if a toJSON returns it. */
  #visitObject(value: object): unknown {
    const plain = Array.isArray(value) || isPlainObject(value);
    if (!plain) {
      const builtIn = builtInName(value);
      if (builtIn !== undefined) return this.#visitBuiltIn(value, builtIn);
    }
    const toJson = toJsonMethod(value);
    // A proxy may answer differently the next time: the checked value must be the one that is sent.
    if (toJson === undefined) return this.#visitContainer(value, !plain || types.isProxy(value));
    this.#refuseCycle(value);
    const result: unknown = toJson.call(value, String(this.#keys[this.#ancestors.length - 1] ?? ''));
    if (result === undefined) return undefined;
    if (typeof result !== 'object' || result === null || builtInName(result) !== undefined)
      return this.visit(result);
    // Copied, so that JSON.stringify finds no toJSON to call a second time.
    return this.#visitContainer(result, true);
  }

  #visitBuiltIn(value: object, name: string): unknown {
    if (this.lenient) {
      const form = jsonForm(value, name);
      if (form !== undefined) {
        this.converted.push(this.#keys.slice(0, this.#ancestors.length));
        return this.visit(form);
      }
    }
    const article = /^[AEIOU]/.test(name) && !name.startsWith('U') ? 'an' : 'a';
    return this.#refuse(
      `is ${article} ${name}, which JSON would change`,
      ADVICE.get(name) ?? `send plain data made from it, or ${RICH} if that carries it`,
    );
  }

  #visitContainer(value: object, copyAnyway: boolean): unknown {
    const depth = this.#ancestors.length;
    this.#refuseCycle(value);
    if (depth >= MAX_DEPTH) {
      return this.#refuse(
        `leads more than ${MAX_DEPTH} levels deep`,
        'send flatter data, e.g. a list with ids',
        8,
      );
    }
    this.#ancestors.push(value);
    // Until a key is taken, the path of a failure is the container's own.
    this.#keys[depth] = NO_KEY;
    const visited = Array.isArray(value)
      ? this.#visitArray(value, depth, copyAnyway)
      : this.#visitProperties(value, depth, copyAnyway);
    this.#ancestors.pop();
    return visited;
  }

  #visitArray(array: readonly unknown[], depth: number, copyAnyway: boolean): unknown {
    let copy: unknown[] | undefined = copyAnyway ? [] : undefined;
    for (let index = 0; index < array.length; index++) {
      this.#keys[depth] = index;
      const item = array[index];
      const visited = this.visitItem(item);
      if (visited !== item) copy ??= array.slice(0, index);
      copy?.push(visited);
    }
    return copy ?? array;
  }

  #visitProperties(object: object, depth: number, copyAnyway: boolean): unknown {
    const properties = object as Readonly<Record<string, unknown>>;
    const keys = Object.keys(object);
    let copy: object | undefined = copyAnyway ? {} : undefined;
    if (!copyAnyway) this.#refuseSymbolKeys(object, depth);
    for (let at = 0; at < keys.length; at++) {
      const key = keys[at] as string;
      this.#keys[depth] = key;
      const item = properties[key];
      if (item === undefined || (copyAnyway && key === 'toJSON' && typeof item === 'function')) continue;
      if (!isPlainText(key)) this.needsEscape = true;
      const visited = this.visit(item);
      if (visited !== item) copy ??= ownCopy(properties, keys, at);
      if (copy !== undefined && visited !== undefined) setOwn(copy, key, visited);
    }
    return copy ?? object;
  }

  #refuseCycle(value: object): void {
    const at = this.#ancestors.indexOf(value);
    if (at === -1) return;
    this.#refuse(
      `refers back to ${this.#path(at)}, and JSON cannot carry a cycle`,
      `send an id instead, or ${RICH}`,
    );
  }

  #refuseSymbolKeys(object: object, depth: number): void {
    const symbols = Object.getOwnPropertySymbols(object);
    if (symbols.length === 0) return;
    for (const symbol of symbols) {
      if (!Object.prototype.propertyIsEnumerable.call(object, symbol)) continue;
      this.#keys[depth] = String(symbol);
      this.#refuse('has a symbol as its key, which JSON drops', 'use a string key');
    }
  }

  #convert(form: string): string {
    this.converted.push(this.#keys.slice(0, this.#ancestors.length));
    return form;
  }

  #path(depth = this.#ancestors.length): string {
    const keys = this.#keys.slice(0, depth);
    if (keys.at(-1) === NO_KEY) keys.pop();
    return showPath(this.root, keys);
  }

  #refuse(what: string, advice: string, depth?: number): never {
    const path = this.#path(depth);
    throw new NotSerializableError(`${path} ${what}: ${advice}.`, path);
  }
}

/** The properties before the `end`th key, as plain data. */
function ownCopy(
  properties: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  end: number,
): object {
  const copy = {};
  for (const key of keys.slice(0, end)) {
    const value = properties[key];
    if (value !== undefined) setOwn(copy, key, value);
  }
  return copy;
}

/** The JSON form from which a schema rebuilds the value. */
function jsonForm(value: object, name: string): unknown {
  if (name === 'Date') return Date.prototype.toJSON.call(value) ?? undefined;
  if (name === 'URL') return String(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Map) return mapForm(value);
  return undefined;
}

function mapForm(map: ReadonlyMap<unknown, unknown>): object | undefined {
  const form = {};
  for (const [key, value] of map) {
    if (typeof key !== 'string') return undefined;
    setOwn(form, key, value);
  }
  return form;
}
