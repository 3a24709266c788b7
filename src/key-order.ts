/**
 * JSON whose keys keep their order. PostgreSQL's jsonb sorts the keys of an object, the shorter first, and keeps the last
 * of two; where that would change a value it is written as text, in an envelope that every engine opens.
 */

/** The name of the envelope. */
export const ORDERED = 'ordered';

/** The value, or an envelope with its text where jsonb would put its keys into another order. */
export function keepOrder(value: unknown): unknown {
  // The order of an envelope's own keys says nothing.
  const matters = typeof value === 'object' && value !== null && '$celeriac' in value ? value : { value };
  return isSorted(Reflect.get(matters, 'value'))
    ? value
    : { $celeriac: ORDERED, value: JSON.stringify(value) };
}

/** Whether the keys of all objects in it stand as jsonb would put them. */
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

/** Shorter keys first, by their bytes in UTF-8; of one length by these bytes. */
function isBefore(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length ? left.compare(right) < 0 : left.length < right.length;
}
