/**
 * Values of tasks as JSON for browsers. Numbers, texts, lists and objects are what they are; what the serializer `'rich'`
 * carries besides takes a form that JSON has: dates are ISO texts, big integers their digits, maps lists of pairs, sets
 * lists, errors `{ name, message }`. Never throws.
 */
import { Budget, boundedJson } from '../../protocol/bounded-json.js';

/** One line of JSON; `undefined` is left out of objects, and null in lists. */
export function browserJson(value: object): string {
  try {
    return JSON.stringify(value, jsonForm);
  } catch {
    // It contains itself, or something in it cannot be read.
    return JSON.stringify(boundedJson(value, new Budget(MOST_BYTES)) ?? {});
  }
}

/** Of a picture of what cannot be sent as it is. */
const MOST_BYTES = 1024 * 1024;

function jsonForm(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (value instanceof RegExp) return String(value);
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? Array.from(value as unknown as ArrayLike<unknown>)
    : value;
}
