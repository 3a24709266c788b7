/**
 * How arguments and results are written into a job. With the default serializer and ordinary text, a job holds the
 * plain values themselves, so dashboards and BullMQ workers in other languages read them; every other value is in an
 * envelope `{ $celeriac: <serializer>, value }`. The envelope exists at the top only: a user's own result that has a
 * key `$celeriac` is put into one. It must never let a value through that would come back as another.
 */
import { CeleriacError, NotSerializableError, OptionError } from '../errors.js';
import { ORDERED } from '../key-order.js';
import type { Serializer, SerializerOption } from '../options/serializers.js';
import { escapeTree, isPlainText, unescapeTree } from '../text-escape.js';
import { InflationBudget, inflated, isCompressed, MOST_INFLATED } from './compression.js';
import { checkJson, checkJsonArgs, type JsonCheck, type Keys } from './json-check.js';
import { rich } from './rich.js';

export type { Serializer } from '../options/serializers.js';

/** A payload as a job stores it: plain JSON, or an envelope. */
export type EncodedPayload = unknown;

/** What reading needs: the serializers that may have written a payload, and how much a compressed one may hold. */
export interface Reading {
  /** The serializer of this name; undefined for an unknown one. */
  named(name: string): Serializer | undefined;
  /** The names of the known ones, for errors. */
  names(): string;
  /** Bytes. */
  readonly mostBytes: number;
}

/** The default: plain JSON, refusing values that JSON would change. */
export const json: Serializer = {
  name: 'json',
  encode: (value) => checkJson(value, 'value').value,
  decode: (encoded) => encoded,
};

/** The names of envelopes that are celeriac's own, whose contents anybody can read. */
export const PLAIN_NAMES: ReadonlySet<string> = new Set([
  'json',
  'rich',
  'list',
  ORDERED,
  'gzip',
  'zstd',
  'undefined',
]);

/**
 * The serializer behind the option.
 * @throws {OptionError} if a user's serializer has one of the reserved names
 */
export function resolveSerializer(option: SerializerOption): Serializer {
  if (option === 'json' || option === json) return json;
  if (option === 'rich' || option === rich) return rich;
  const name = typeof option === 'string' ? option : option.name;
  if (typeof option !== 'string' && typeof name === 'string' && name !== '' && !PLAIN_NAMES.has(name))
    return option;
  throw new OptionError(
    `serializer: the name ${JSON.stringify(name)} is taken or missing. Give your serializer a name of its own.`,
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
export function decodeArgs(
  payload: EncodedPayload,
  by: Serializer | Reading = json,
  within?: InflationBudget,
): unknown[] {
  if (Array.isArray(payload)) return payload;
  const plain = unwrapped(payload, by, within);
  if (Array.isArray(plain)) return plain;
  const args = isEnvelope(plain) ? open(plain, by) : plain;
  if (Array.isArray(args)) return args;
  throw new NotSerializableError(
    `The message holds ${args === null ? 'null' : `a ${typeof args}`} where the list of arguments belongs. ` +
      'It was not written by celeriac; its data must be { "v": 1, "args": [ … ] }.',
    'args',
  );
}

/** Arguments that are plain JSON, however they are stored; undefined for any others. For readers without serializers. */
export function plainArgs(payload: EncodedPayload, within?: InflationBudget): readonly unknown[] | undefined {
  try {
    const plain = unwrapped(payload, json, within);
    return Array.isArray(plain) ? plain : undefined;
  } catch {
    return undefined; // another program's, or larger than anything is
  }
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
export function decodeResult(
  payload: EncodedPayload,
  by: Serializer | Reading = json,
  within?: InflationBudget,
): unknown {
  if (!isObject(payload)) return payload;
  const plain = unwrapped(payload, by, within);
  if (!isObject(plain)) return plain;
  if (plain.$celeriac === 'undefined' && Object.keys(plain).length === 1) return undefined;
  if (plain.$celeriac === LIST && Array.isArray(plain.value)) {
    const together = within ?? new InflationBudget(mostBytesOf(by));
    return plain.value.map((each: unknown) => decodeResult(each, by, together));
  }
  return isEnvelope(plain) ? open(plain, by) : plain;
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

/** Envelopes that hold a payload: a writer makes at most one of each kind. */
const MOST_WRAPPED = 2;

/** The payload inside the envelopes that hold one as text: compressed, or to keep the order of its keys. */
function unwrapped(
  payload: EncodedPayload,
  by: Serializer | Reading,
  within?: InflationBudget,
): EncodedPayload {
  let plain = payload;
  for (let depth = 0; depth < MOST_WRAPPED; depth++) {
    if (isCompressed(plain)) plain = payloadIn(inflated(plain, mostBytesOf(by), within), plain.$celeriac);
    else if (isEnvelope(plain) && plain.$celeriac === ORDERED && typeof plain.value === 'string')
      plain = payloadIn(plain.value, ORDERED);
    else break;
  }
  return plain;
}

function payloadIn(text: string, kind: string): EncodedPayload {
  try {
    return JSON.parse(text) as EncodedPayload;
  } catch {
    throw new NotSerializableError(`The payload is no JSON: its envelope says "${kind}".`, 'payload');
  }
}

function open(sealed: Envelope, by: Serializer | Reading): unknown {
  const value = sealed.escaped === true ? unescapeTree(sealed.value) : sealed.value;
  const { $celeriac: name } = sealed;
  if (name === 'json') return value;
  const writer = name === 'rich' ? rich : named(name, by);
  if (writer === undefined) throw unknownWriter(name, by);
  return guarded(writer, 'decode', 'payload', () => writer.decode(value));
}

/** The error of an app that lacks a serializer. */
export function unknownWriter(name: string, by: Serializer | Reading): CeleriacError {
  const known = 'named' in by ? by.names() : `"${by.name}"`;
  return new CeleriacError(
    `This payload was written by the serializer "${name}", and this app has ${known}. ` +
      'Give both apps the same serializer, or this one more of them with the option serializers.',
    { code: 'NOT_SERIALIZABLE' },
  );
}

function named(name: string, by: Serializer | Reading): Serializer | undefined {
  if ('named' in by) return by.named(name);
  return by.name === name ? by : undefined;
}

function mostBytesOf(by: Serializer | Reading): number {
  return 'named' in by ? by.mostBytes : MOST_INFLATED;
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
