/**
 * Checks the arguments of a call against the task's declaration, then encodes them. A Date may pass plain JSON if the
 * declared schema rebuilds it. This is verified: the schema must give the same result for the JSON form as for the
 * original.
 */
import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentsError, NotSerializableError } from '../errors.js';
import type { ArgumentChecker } from './arguments.js';
import { type Keys, showPath } from './json-check.js';
import {
  decodeArgs,
  type EncodedPayload,
  encodeArgs,
  encodeArgsLeniently,
  json,
  type Serializer,
} from './serializer.js';

/**
 * Checks and encodes the arguments of a call. Returns a promise only if a schema needs one.
 * @throws {InvalidArgumentsError} with every violation
 * @throws {NotSerializableError} with the path of what would arrive as something else
 */
export function packArguments(
  args: readonly unknown[],
  checker: ArgumentChecker | undefined,
  serializer: Serializer = json,
): EncodedPayload | Promise<EncodedPayload> {
  if (checker === undefined) return encodeArgs(args, serializer);
  const checking = checker.check(args);
  return checking === undefined
    ? encodeChecked(args, checker, serializer)
    : checking.then(() => encodeChecked(args, checker, serializer));
}

function encodeChecked(
  args: readonly unknown[],
  checker: ArgumentChecker,
  serializer: Serializer,
): EncodedPayload | Promise<EncodedPayload> {
  if (serializer !== json) return encodeArgs(args, serializer);
  const { payload, converted } = encodeArgsLeniently(args, (index) => checker.rebuilds(index));
  return converted.length === 0 ? payload : confirmRebuilt(args, payload, converted, checker);
}

async function confirmRebuilt(
  args: readonly unknown[],
  payload: EncodedPayload,
  converted: readonly Keys[],
  checker: ArgumentChecker,
): Promise<EncodedPayload> {
  const meant = await checker.materialise(args);
  const arriving = await materialiseArriving(payload, converted, checker);
  for (const keys of converted) {
    if (!isDeepStrictEqual(valueAt(meant, keys), valueAt(arriving, keys)))
      throw notRebuilt(keys, 'keeps its JSON form');
  }
  return payload;
}

async function materialiseArriving(
  payload: EncodedPayload,
  converted: readonly Keys[],
  checker: ArgumentChecker,
): Promise<readonly unknown[]> {
  try {
    return await checker.materialise(decodeArgs(payload));
  } catch (error) {
    if (!(error instanceof InvalidArgumentsError)) throw error;
    const [violation] = error.violations;
    throw notRebuilt(converted[0] ?? [], `refuses its JSON form (${violation?.path}: ${violation?.message})`);
  }
}

function notRebuilt(keys: Keys, what: string): NotSerializableError {
  const path = showPath('args', keys);
  return new NotSerializableError(
    `${path} is a value JSON would change, and the declared schema ${what}. Use a schema that rebuilds it ` +
      "(z.coerce.date(), @Type(() => Date)), send it as a string, or use serializer: 'rich'.",
    path,
  );
}

function valueAt(value: unknown, keys: Keys): unknown {
  let inner = value;
  for (const key of keys) {
    if (typeof inner !== 'object' || inner === null) return undefined;
    inner = Reflect.get(inner, key);
  }
  return inner;
}
