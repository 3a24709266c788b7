/** Values that only the rich serializer carries, in a form that JSON has, for people to look at. */

/** A replacer for `JSON.stringify`: big integers as their digits, bytes as their number, errors as one line. */
export function plainValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof RegExp) return String(value);
  return value instanceof Uint8Array ? `[${value.byteLength} bytes]` : value;
}
