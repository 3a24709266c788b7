/**
 * Errors across the wire: encodes what a task threw as bounded plain JSON, and decodes it to an error of its own class
 * in the process that reads the result. `encodeFailure` must never throw: an error that cannot be written would leave its
 * job active for ever. `decodeFailure` must never throw either, nor run a user's constructor, nor touch a prototype.
 */
import { types } from 'node:util';
import { isCeleriacError } from '../errors.js';
import { unescapeText, unescapeTree } from '../text-escape.js';
import { addBounded, Budget, boundedJson, boundedText } from './bounded-json.js';
import { type ErrorClass, ErrorClasses, rebuildError } from './error-classes.js';

export { type ErrorClass, ErrorClasses };

/** An error as it is stored: plain JSON of at most 64 kB, text escaped as in `text-escape`. */
export interface WireError {
  /** The error's own name, or its class name where the own name is only "Error". */
  readonly name: string;
  readonly message: string;
  /** Its class name, where that differs from `name`. */
  readonly class?: string;
  /** True for celeriac's own errors. */
  readonly ours?: true;
  readonly stack?: string;
  readonly code?: string | number;
  /** Own enumerable properties that have a JSON form: shallow, secrets masked, a client's request and response left out. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly cause?: WireError;
  /** A cause that is not an error. */
  readonly causeValue?: unknown;
  /** Of an AggregateError. */
  readonly errors?: readonly WireError[];
  /** The type of what was thrown, where that is not an error. */
  readonly thrown?: string;
  /** For a revoked task: it ended without having started. */
  readonly unstarted?: true;
  /** Something was cut or left out because of its size. */
  readonly truncated?: true;
}

/** Options of {@link encodeFailure}. */
export interface FailureOptions {
  /** Most bytes of JSON an error may take, causes included. Default: 65,536. */
  readonly maxBytes?: number;
  /** Leaves out what user code added beside name, message and stack: properties, and causes that are not errors. */
  readonly bare?: boolean;
}

const MAX_BYTES = 65_536;
const MAX_MESSAGE_BYTES = 16_384;
const MAX_STACK_BYTES = 16_384;
const MAX_NAME_BYTES = 256;
const MAX_CAUSES = 10;
const MAX_ERRORS = 20;
/** Braces, keys and the flag of one error. */
const FRAME_BYTES = 160;

/** The error's own `name`, or its class name where the own name is only "Error". Never throws. */
export function errorNameOf(thrown: unknown): string {
  const name = textOf(thrown, 'name');
  if (name !== undefined && name !== '' && name !== 'Error') return name;
  const cls = className(thrown);
  return cls === undefined || cls === 'Object' ? 'Error' : cls;
}

/** Encodes anything thrown as JSON to store. Never throws, whatever the value is. */
export function encodeFailure(
  thrown: unknown,
  { maxBytes = MAX_BYTES, bare = false }: FailureOptions = {},
): WireError {
  const budget = new ErrorBudget(maxBytes, bare);
  try {
    const wire = encodeThrown(thrown, budget, []);
    return budget.truncated ? { ...wire, truncated: true } : wire;
  } catch {
    // Nothing could be read (a revoked proxy, a full call stack): the failure itself must still be stored.
    return { name: 'Error', message: `Something was thrown that cannot be read (${typeof thrown}).` };
  }
}

/**
 * Decodes a stored error. Never throws, whatever was stored.
 * @param task the task that threw it; error classes that the task declares win over registered ones
 */
export function decodeFailure(
  wire: unknown,
  classes: ErrorClasses = new ErrorClasses(),
  task?: string,
): Error {
  try {
    return decodeAt(wire, (name, ours) => classes.lookup({ name, task, ours }), 0);
  } catch {
    // Not written by encodeFailure. Callers still need to know that the task failed.
    return new Error('The task failed; what is stored about its error cannot be read.');
  }
}

class ErrorBudget extends Budget {
  constructor(
    bytes: number,
    readonly bare: boolean,
  ) {
    super(bytes, true);
  }
}

function encodeThrown(thrown: unknown, budget: ErrorBudget, chain: readonly unknown[]): WireError {
  budget.take(FRAME_BYTES);
  return isError(thrown) ? encodeError(thrown, budget, [...chain, thrown]) : encodeOther(thrown, budget);
}

function encodeError(error: object, budget: ErrorBudget, chain: readonly unknown[]): WireError {
  const name = errorNameOf(error);
  const cls = className(error);
  const message = messageOf(error);
  const shownMessage = boundedText(message, budget, MAX_MESSAGE_BYTES);
  return {
    name: boundedText(name, budget, MAX_NAME_BYTES),
    message: shownMessage,
    ...(cls !== undefined && cls !== name && { class: boundedText(cls, budget, MAX_NAME_BYTES) }),
    ...(isCeleriacError(error) && { ours: true as const }),
    ...encodeStack(error, message, budget),
    ...encodeCode(error, budget),
    ...encodeFields(error, budget),
    ...encodeCause(error, budget, chain),
    ...encodeErrors(error, budget, chain),
  };
}

function encodeStack(error: object, message: string, budget: ErrorBudget): { stack?: string } {
  const stack = textOf(error, 'stack');
  if (stack === undefined) return {};
  // The stack begins with the message: a huge message is cut there too, so that the frames survive.
  const long = message.length > 1024 ? stack.indexOf(message) : -1;
  const shown = long === -1 ? stack : `${stack.slice(0, long + 1024)} …${stack.slice(long + message.length)}`;
  return { stack: boundedText(shown, budget, MAX_STACK_BYTES) };
}

function encodeCode(error: object, budget: ErrorBudget): { code?: string | number } {
  const code = isDomException(error) ? undefined : read(error, 'code');
  if (typeof code === 'number' && Number.isFinite(code) && budget.take(24)) return { code };
  return typeof code === 'string' ? { code: boundedText(code, budget, MAX_NAME_BYTES) } : {};
}

function encodeFields(error: object, budget: ErrorBudget): { fields?: Record<string, unknown> } {
  const fields = {};
  // Celeriac's own errors hold nothing of the user's.
  if (budget.bare && !isCeleriacError(error)) return {};
  budget.part(MAX_FIELDS_BYTES, (part) => {
    for (const key of ownKeys(error).slice(0, MAX_FIELDS)) {
      if (!SLOTS.has(key) && part.left > 16) addBounded(fields, error, key, part, [error]);
    }
  });
  return Object.keys(fields).length > 0 ? { fields } : {};
}

const MAX_FIELDS = 200;
const MAX_FIELDS_BYTES = 16_384;
/** Properties with a field of their own in {@link WireError}; `code` has one when it is a string or number. */
const SLOTS: ReadonlySet<string> = new Set([
  'name',
  'message',
  'stack',
  'cause',
  'errors',
  'code',
  'constructor',
]);

function encodeCause(error: object, budget: ErrorBudget, chain: readonly unknown[]): Partial<WireError> {
  const cause = read(error, 'cause');
  if (cause === undefined || chain.includes(cause)) return {};
  if (chain.length > MAX_CAUSES || budget.left < FRAME_BYTES * 2) {
    budget.truncated = true;
    return {};
  }
  if (isError(cause)) return { cause: encodeThrown(cause, budget, chain) };
  if (budget.bare) return {};
  const causeValue = budget.part(MAX_FIELDS_BYTES, (part) => boundedJson(cause, part));
  return causeValue === undefined ? {} : { causeValue };
}

function encodeErrors(
  error: object,
  budget: ErrorBudget,
  chain: readonly unknown[],
): { errors?: WireError[] } {
  const errors = read(error, 'errors');
  if (!isArray(errors)) return {};
  const encoded: WireError[] = [];
  for (const inner of errors.slice(0, MAX_ERRORS)) {
    if (chain.includes(inner)) continue;
    if (chain.length > MAX_CAUSES || budget.left < FRAME_BYTES * 2) break;
    encoded.push(encodeThrown(inner, budget, chain));
  }
  if (encoded.length < errors.length) budget.truncated = true;
  return { errors: encoded };
}

function encodeOther(thrown: unknown, budget: ErrorBudget): WireError {
  const isObject = typeof thrown === 'object' && thrown !== null;
  const fields = isObject ? encodeFields(thrown, budget) : {};
  return {
    name: boundedText(isObject ? errorNameOf(thrown) : 'Error', budget, MAX_NAME_BYTES),
    message: boundedText(describe(thrown, budget.bare), budget, MAX_MESSAGE_BYTES),
    thrown: thrown === null ? 'null' : typeof thrown,
    ...(isObject && encodeCode(thrown, budget)),
    ...fields,
  };
}

/** The message for a thrown value that is not an error. */
function describe(thrown: unknown, bare: boolean): string {
  const advice = 'Throw an Error to say what went wrong.';
  switch (typeof thrown) {
    case 'string':
      return thrown === '' ? `An empty string was thrown. ${advice}` : thrown;
    case 'function':
      return `A function (${textOf(thrown, 'name') || 'without a name'}) was thrown. ${advice}`;
    case 'object': {
      if (thrown === null) return `null was thrown. ${advice}`;
      const message = textOf(thrown, 'message');
      if (message !== undefined && message !== '') return message;
      if (bare) return `An object that is no Error was thrown. ${advice}`;
      const picture = JSON.stringify(boundedJson(thrown, new Budget(1024, true)));
      return `An object that is no Error was thrown: ${picture}. ${advice}`;
    }
    default:
      return `${String(thrown)} was thrown. ${advice}`;
  }
}

const MAX_DECODE_DEPTH = 20;
const MAX_DECODE_ERRORS = 100;

type Lookup = (name: string, ours: boolean) => ErrorClass | undefined;

function decodeAt(wire: unknown, lookup: Lookup, depth: number): Error {
  if (typeof wire === 'string') return rebuildError({ ...EMPTY, message: unescapeText(wire) });
  const parts = (isObject(wire) ? wire : {}) as { readonly [K in keyof WireError]?: unknown };
  const name = storedText(parts.name) || 'Error';
  const cls = storedText(parts.class);
  const ours = parts.ours === true;
  const deeper = depth < MAX_DECODE_DEPTH;
  return rebuildError({
    name,
    message: storedText(parts.message) ?? 'The task failed; what is stored about its error has no message.',
    stack: storedText(parts.stack),
    errorClass: (cls !== undefined ? lookup(cls, ours) : undefined) ?? lookup(name, ours),
    ...(isObject(parts.cause) && deeper && { cause: decodeAt(parts.cause, lookup, depth + 1) }),
    ...('causeValue' in parts && { cause: unescapeTree(parts.causeValue) }),
    ...(isArray(parts.errors) &&
      deeper && {
        errors: parts.errors.slice(0, MAX_DECODE_ERRORS).map((inner) => decodeAt(inner, lookup, depth + 1)),
      }),
    fields: decodeFields(parts),
  });
}

const EMPTY = { name: 'Error', stack: undefined, errorClass: undefined, fields: {} };

function decodeFields(parts: {
  readonly code?: unknown;
  readonly fields?: unknown;
}): Record<string, unknown> {
  const fields = isObject(parts.fields) ? (unescapeTree(parts.fields) as Record<string, unknown>) : {};
  const { code } = parts;
  if (typeof code === 'string') return { code: unescapeText(code), ...fields };
  return typeof code === 'number' ? { code, ...fields } : fields;
}

function storedText(value: unknown): string | undefined {
  return typeof value === 'string' ? unescapeText(value) : undefined;
}

function messageOf(error: object): string {
  const message = read(error, 'message');
  if (typeof message === 'string') return message;
  return message === undefined
    ? ''
    : String(JSON.stringify(boundedJson(message, new Budget(1024, true))) ?? '');
}

function className(value: unknown): string | undefined {
  const cls = read(value, 'constructor');
  const name = typeof cls === 'function' ? textOf(cls, 'name') : undefined;
  return name === '' ? undefined : name;
}

function textOf(value: unknown, key: string): string | undefined {
  const text = read(value, key);
  return typeof text === 'string' ? text : undefined;
}

/** A property of any value; `undefined` when reading it throws. */
function read(value: unknown, key: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    return Reflect.get(value, key);
  } catch {
    // A getter or proxy trap threw: counts as absent.
    return undefined;
  }
}

function ownKeys(value: object): string[] {
  try {
    return Object.keys(value);
  } catch {
    // A proxy trap threw: there are no keys to read.
    return [];
  }
}

function isError(value: unknown): value is object {
  try {
    return (
      typeof value === 'object' && value !== null && (types.isNativeError(value) || value instanceof Error)
    );
  } catch {
    // A proxy trap for the prototype threw.
    return false;
  }
}

function isDomException(error: object): boolean {
  return className(error) === 'DOMException';
}

function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
