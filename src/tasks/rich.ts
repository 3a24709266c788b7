/**
 * The serializer `'rich'`: devalue carries Date, Map, Set, BigInt, typed arrays, URL, RegExp, NaN, undefined and
 * cycles; support for errors and `toJSON` is added here. Encoded as one string, since PostgreSQL's jsonb would reorder
 * keys and touch numbers. Class instances are encoded as their plain data, as with plain JSON.
 */
import { types } from 'node:util';
import { defaultStringifyOperations, parse, stringify } from 'devalue';
import { isCeleriacError } from '../errors.js';
import { ErrorClasses, rebuildError } from '../protocol/error-classes.js';
import { setOwn } from '../text-escape.js';
import { builtInName, toJsonMethod } from './built-in.js';

/** Fits the interface `Serializer`. */
export const rich = {
  name: 'rich',

  encode(value: unknown): string {
    let mayNotRevive = false;
    const text = stringify(
      value,
      {
        Error(thing: unknown) {
          if (!isError(thing)) return undefined;
          mayNotRevive = true;
          return takeApart(thing);
        },
        // In a list, because devalue takes a falsy answer for "not mine".
        toJSON(thing: unknown) {
          const answer = answerOfToJson(thing);
          if (answer !== undefined) mayNotRevive = true;
          return answer;
        },
      },
      { operations: { shapeOf, get, isThenable: () => false } },
    );
    // devalue cannot build an error that contains itself: refuse it here, before the worker fails on it.
    if (mayNotRevive) rich.decode(text);
    return text;
  },

  decode(encoded: unknown): unknown {
    if (typeof encoded !== 'string') throw new TypeError('not a text written by the serializer "rich"');
    return parse(
      encoded,
      { Error: putTogether, toJSON: (answer: unknown[]) => answer[0] },
      { operations: { set } },
    );
  },
};

const CLASSES = new ErrorClasses();
const OWN_SLOTS = new Set(['name', 'message', 'stack', 'cause', 'errors']);

interface ErrorParts {
  readonly name: unknown;
  /** It is one of celeriac's own. */
  readonly ours?: unknown;
  readonly message: unknown;
  readonly stack: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
  readonly fields: Readonly<Record<string, unknown>>;
}

function isError(thing: unknown): thing is Error {
  return (
    typeof thing === 'object' && thing !== null && (types.isNativeError(thing) || thing instanceof Error)
  );
}

function takeApart(error: Error): ErrorParts {
  const fields = {};
  for (const [key, value] of Object.entries(error)) {
    if (!OWN_SLOTS.has(key) && typeof value !== 'function') setOwn(fields, key, value);
  }
  return {
    name: error.name,
    ...(isCeleriacError(error) && { ours: true }),
    message: error.message,
    stack: error.stack,
    ...(Object.hasOwn(error, 'cause') && { cause: error.cause }),
    ...('errors' in error && Array.isArray(error.errors) && { errors: error.errors }),
    fields,
  };
}

function putTogether(parts: ErrorParts): Error {
  const name = String(parts.name);
  return rebuildError({
    ...parts,
    name,
    message: String(parts.message),
    stack: typeof parts.stack === 'string' ? parts.stack : undefined,
    errors: Array.isArray(parts.errors) ? parts.errors : undefined,
    errorClass: CLASSES.lookup({ name, ours: parts.ours === true }),
  });
}

function answerOfToJson(thing: unknown): [unknown] | undefined {
  if (typeof thing !== 'object' || thing === null) return undefined;
  const toJson = toJsonMethod(thing);
  if (toJson === undefined || builtInName(thing) !== undefined) return undefined;
  const answer: unknown = toJson.call(thing, '');
  // `toJSON() { return this }` would recurse for ever: use its plain data.
  return answer === thing ? [{ ...thing }] : [answer];
}

function shapeOf(value: object): ReturnType<typeof defaultStringifyOperations.shapeOf> {
  const shape = defaultStringifyOperations.shapeOf(value);
  if (shape.kind === 'symbol-keys') return shape;
  if (shape.kind !== 'not-plain') return { kind: shape.kind, keys: shape.keys.map(guardKey) };
  // A class instance is encoded as its plain data; a Promise, a Blob or a Headers has none.
  return builtInName(value) === undefined ? { kind: 'plain', keys: Object.keys(value).map(guardKey) } : shape;
}

function get(value: object, key: string | number): unknown {
  return Reflect.get(value, typeof key === 'string' ? unguardKey(key) : key);
}

function set(target: object, key: string | number, value: unknown): void {
  if (typeof key === 'number') Reflect.set(target, key, value);
  else setOwn(target, unguardKey(key), value);
}

// devalue refuses the key `__proto__`, which is data like any other when it is set as an own property.
function guardKey(key: string): string {
  return key.endsWith('__proto__') && /^\$*__proto__$/.test(key) ? `$${key}` : key;
}

function unguardKey(key: string): string {
  return key.endsWith('__proto__') && /^\$+__proto__$/.test(key) ? key.slice(1) : key;
}
