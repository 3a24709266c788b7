/** The options `serializer` and `serializers`: how payloads are written. */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Turns values into JSON-safe ones and back. `encode` may return any plain JSON value, e.g. an encrypted string. */
export interface Serializer {
  /**
   * Stored with the payload, so that a process with another serializer reports it. Not `json`, `rich`, `list`,
   * `ordered`, `undefined`, `gzip` or `zstd`.
   */
  readonly name: string;
  encode(value: unknown): unknown;
  decode(encoded: unknown): unknown;
}

/** A serializer: a built-in one, one of your own, or the name of one that the app knows. */
export type SerializerOption = 'json' | 'rich' | Serializer | (string & {});

/** @throws {OptionError} for anything but a name or a serializer */
export function checkSerializer(serializer: unknown, where: string): SerializerOption {
  if (typeof serializer === 'string' && serializer !== '') return serializer;
  if (isSerializer(serializer)) return serializer;
  throw new OptionError(
    `${where}: serializer must be 'json', 'rich', or an object { name, encode, decode }; got ${show(serializer)}.`,
  );
}

/** @throws {OptionError} for anything but a list of serializers with names of their own */
export function checkSerializers(given: unknown, where: string): readonly SerializerOption[] {
  if (!Array.isArray(given) || given.length === 0)
    throw new OptionError(
      `${where} must be a list of serializers, of which the first one writes; got ${show(given)}.`,
    );
  const names = new Set<string>();
  return given.map((each: unknown) => {
    if (each !== 'json' && each !== 'rich' && !isSerializer(each))
      throw new OptionError(
        `${where}: each must be 'json', 'rich', or an object { name, encode, decode }; got ${show(each)}.`,
      );
    const name = typeof each === 'string' ? each : each.name;
    if (names.has(name)) throw new OptionError(`${where}: two of them have the name ${show(name)}.`);
    names.add(name);
    return each;
  });
}

function isSerializer(given: unknown): given is Serializer {
  const { encode, decode } = Object(given) as Partial<Serializer>;
  return typeof given === 'object' && typeof encode === 'function' && typeof decode === 'function';
}
