/**
 * How arguments and results are written into a job. With the default serializer and ordinary text, a job holds the
 * plain values themselves, so dashboards and BullMQ workers in other languages read them; every other value is in an
 * envelope `{ $celeriac: <serializer>, value }`. The envelope exists at the top only: a user's own result that has a
 * key `$celeriac` is put into one. It must never let a value through that would come back as another.
 */
import { CeleriacError, NotSerializableError, OptionError } from '../errors.js';
import { ORDERED } from '../key-order.js';
import { escapeTree, isPlainText, unescapeTree } from '../text-escape.js';
import { checkJson, checkJsonArgs, type JsonCheck, type Keys } from './json-check.js';
import { rich } from './rich.js';

/** Turns values into JSON-safe ones and back. `encode` may return any plain JSON value, e.g. an encrypted string. */
export interface Serializer {
  /**
   * Stored with the payload, so that a process with another serializer reports it. Not `json`, `rich`, `list`,
   * `ordered` or `undefined`.
   */
  readonly name: string;
  encode(value: unknown): unknown;
  decode(encoded: unknown): unknown;
}

/** A payload as a job stores it: plain JSON, or an envelope. */
export type EncodedPayload = unknown;

/** The default: plain JSON, refusing values that JSON would change. */
export const json: Serializer = {
  name: 'json',
  encode: (value) => checkJson(value, 'value').value,
  decode: (encoded) => encoded,
};

const RESERVED_NAMES: ReadonlySet<unknown> = new Set([
  'json',
  'rich',
  'list',
  ORDERED,
  'undefined',
  '',
  undefined,
]);

/**
 * The serializer behind the option.
 * @throws {OptionError} if a user's serializer has one of the reserved names
 */
export function resolveSerializer(option: 'json' | 'rich' | Serializer): Serializer {
  if (option === 'json' || option === json) return json;
  if (option === 'rich' || option === rich) return rich;
  if (typeof option.name === 'string' && !RESERVED_NAMES.has(option.name)) return option;
  throw new OptionError(
    `serializer: the name ${JSON.stringify(option.name)} is taken or missing. Give your serializer a name of its own.`,
  );
}

/**
 * True for a user's own serializer. It may encrypt, so no value that goes through it may be stored or shown as plain
 * text.
 */
export function isSealing(serializer: Serializer): boolean {
  return serializer !== json && serializer !== rich;
}

/**
 * The arguments of a call, as the job stores them. Undefined ones at the end are left out: the method sees
 * undefined there anyway.
 * @throws {NotSerializableError} with a path such as `args[0].when`
 */
export function encodeArgs(args: readonly unknown[], serializer: Serializer = json): EncodedPayload {
  const given = withoutTrailingUndefined(args);
  if (serializer !== json) return encodeWith(serializer, given, 'args');
  if (areScalars(given)) return given;
  return textSafe(checkJsonArgs(given));
}

/**
 * {@link encodeArgs} for plain JSON, where the schemas of some positions may rebuild a Date, URL, BigInt, Map or Set
 * from its JSON form. Reports the replaced values, so that the caller can verify the schemas with them.
 */
export function encodeArgsLeniently(
  args: readonly unknown[],
  mayRebuild: (index: number) => boolean,
): { payload: EncodedPayload; converted: readonly Keys[] } {
  const given = withoutTrailingUndefined(args);
  if (areScalars(given)) return { payload: given, converted: [] };
  const check = checkJsonArgs(given, mayRebuild);
  return { payload: textSafe(check), converted: check.converted };
}

/**
 * The arguments of a stored job.
 * @throws {CeleriacError} when the job holds no arguments, or another serializer wrote them
 */
export function decodeArgs(payload: EncodedPayload, serializer: Serializer = json): unknown[] {
  if (Array.isArray(payload)) return payload;
  const ordered = orderedIn(payload);
  if (ordered !== undefined) return decodeArgs(ordered, serializer);
  const args = isEnvelope(payload) ? open(payload, serializer) : payload;
  if (Array.isArray(args)) return args;
  throw new NotSerializableError(
    `The message holds ${args === null ? 'null' : `a ${typeof args}`} where the list of arguments belongs. ` +
      'It was not written by celeriac; its data must be { "v": 1, "args": [ … ] }.',
    'args',
  );
}

/**
 * A task's result, as the job stores it. `null` and `undefined` stay apart: a task that returns nothing stores
 * `{ $celeriac: 'undefined' }`.
 * @throws {NotSerializableError} with a path such as `result.when`
 */
export function encodeResult(value: unknown, serializer: Serializer = json, root = 'result'): EncodedPayload {
  if (value === undefined) return UNDEFINED;
  if (serializer !== json) return encodeWith(serializer, value, root);
  if (isPlainScalar(value)) return value;
  const check = checkJson(value, root);
  return isObject(check.value) && Object.hasOwn(check.value, '$celeriac') && !check.needsEscape
    ? envelope('json', check.value)
    : textSafe(check);
}

/**
 * The results of a task that ran over many items. The list is ours, not the task's, so it may contain undefined for a
 * run that returned nothing, which is refused in a user's list.
 * @throws {NotSerializableError} with a path such as `result[2].when`
 */
export function encodeResults(values: readonly unknown[], serializer: Serializer = json): EncodedPayload {
  return encodedList(values.map((value, index) => encodeResult(value, serializer, `result[${index}]`)));
}

/** Combines encoded results into one, the value of a group. A plain list if all are plain. */
export function encodedList(payloads: readonly EncodedPayload[]): EncodedPayload {
  const sealed = payloads.some((payload) => isObject(payload) && Object.hasOwn(payload, '$celeriac'));
  return sealed ? envelope(LIST, payloads) : payloads;
}

/**
 * The result of a stored job.
 * @throws {CeleriacError} when another serializer wrote it
 */
export function decodeResult(payload: EncodedPayload, serializer: Serializer = json): unknown {
  if (!isObject(payload)) return payload;
  const ordered = orderedIn(payload);
  if (ordered !== undefined) return decodeResult(ordered, serializer);
  if (payload.$celeriac === 'undefined' && Object.keys(payload).length === 1) return undefined;
  if (payload.$celeriac === LIST && Array.isArray(payload.value))
    return payload.value.map((each: unknown) => decodeResult(each, serializer));
  return isEnvelope(payload) ? open(payload, serializer) : payload;
}

interface Envelope {
  /** Name of the serializer. */
  readonly $celeriac: string;
  readonly value: unknown;
  /** Strings and keys in `value` went through `escapeText`. */
  readonly escaped?: true;
}

/** The name of a list whose members are payloads. */
const LIST = 'list';
const UNDEFINED = Object.freeze({ $celeriac: 'undefined' });

function encodeWith(serializer: Serializer, value: unknown, root: string): Envelope {
  const encoded = guarded(serializer, 'encode', root, () => serializer.encode(value));
  const check = checkJson(encoded, `${root} as encoded by the serializer "${serializer.name}"`);
  return check.needsEscape
    ? { ...envelope(serializer.name, escapeTree(check.value)), escaped: true }
    : envelope(serializer.name, check.value);
}

/** The payload that an envelope holds as text, to keep the order of its keys. */
function orderedIn(payload: EncodedPayload): EncodedPayload | undefined {
  if (!isEnvelope(payload) || payload.$celeriac !== ORDERED || typeof payload.value !== 'string')
    return undefined;
  try {
    return JSON.parse(payload.value) as EncodedPayload;
  } catch {
    throw new NotSerializableError(`The payload is no JSON: its envelope says "${ORDERED}".`, 'payload');
  }
}

function open(sealed: Envelope, serializer: Serializer): unknown {
  const value = sealed.escaped === true ? unescapeTree(sealed.value) : sealed.value;
  if (sealed.$celeriac === 'json') return value;
  const writer = sealed.$celeriac === 'rich' ? rich : serializer;
  if (writer.name !== sealed.$celeriac) {
    throw new CeleriacError(
      `This payload was written by the serializer "${sealed.$celeriac}", and this app has "${serializer.name}". ` +
        'Give both apps the same serializer.',
      { code: 'NOT_SERIALIZABLE' },
    );
  }
  return guarded(writer, 'decode', 'payload', () => writer.decode(value));
}

function guarded<T>(serializer: Serializer, step: 'encode' | 'decode', root: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    // devalue's errors carry a `path`.
    const inner: unknown = error instanceof Error && 'path' in error ? error.path : '';
    const path = typeof inner === 'string' ? root + inner : root;
    const reason = error instanceof Error ? error.message : typeof error;
    throw new NotSerializableError(
      `The serializer "${serializer.name}" could not ${step} ${path}: ${reason}.`,
      path,
      {
        cause: error,
      },
    );
  }
}

function textSafe(check: JsonCheck<unknown>): EncodedPayload {
  return check.needsEscape ? { ...envelope('json', escapeTree(check.value)), escaped: true } : check.value;
}

function envelope(name: string, value: unknown): Envelope {
  return { $celeriac: name, value };
}

function isEnvelope(payload: unknown): payload is Envelope & Record<string, unknown> {
  return isObject(payload) && typeof payload.$celeriac === 'string' && Object.hasOwn(payload, 'value');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Strings, numbers, booleans and null that JSON carries unchanged: a fast path for most calls. */
function isPlainScalar(value: unknown): boolean {
  if (typeof value === 'string') return isPlainText(value);
  return typeof value === 'number' ? Number.isFinite(value) : typeof value === 'boolean' || value === null;
}

function areScalars(args: readonly unknown[]): boolean {
  // Not every(): it skips the holes of a sparse list.
  for (let index = 0; index < args.length; index++) {
    if (!isPlainScalar(args[index])) return false;
  }
  return true;
}

function withoutTrailingUndefined(args: readonly unknown[]): readonly unknown[] {
  let length = args.length;
  while (length > 0 && args[length - 1] === undefined) length--;
  return length === args.length ? args : args.slice(0, length);
}
