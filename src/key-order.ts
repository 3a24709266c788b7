/**
 * Keeps the order of keys in JSON. PostgreSQL's jsonb sorts the keys of an object, shorter ones first, and keeps the last
 * of two equal keys. A value that jsonb would change so is written as text in an envelope that every engine opens.
 */

/** The kind of the envelope. */
export const ORDERED = 'ordered';

/** The value; or an envelope with its text if jsonb would reorder its keys. */
export function keepOrder(value: unknown): unknown {
  // The order of an envelope's own keys does not matter.
  const matters = typeof value === 'object' && value !== null && '$celeriac' in value ? value : { value };
  return isSorted(Reflect.get(matters, 'value'))
    ? value
    : { $celeriac: ORDERED, value: JSON.stringify(value) };
}

/** Whether all objects in the value have their keys in jsonb's order. */
function isSorted(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isSorted);
  let before: string | undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (before !== undefined && !isBefore(before, key)) return false;
    if (!isSorted(inner)) return false;
    before = key;
  }
  return true;
}

/** jsonb's order: by length in UTF-8 bytes, then by these bytes. */
function isBefore(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length ? left.compare(right) < 0 : left.length < right.length;
}
