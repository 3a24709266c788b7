/** Maps any string to a key that PostgreSQL accepts. */
import { createHash } from 'node:crypto';

const LONGEST_PLAIN = 512;

/** A key without NUL and lone surrogates, short enough for an index. Distinct strings get distinct keys. */
export function storedKey(key: string): string {
  const plain = key.isWellFormed() && !key.includes('\0') && !key.startsWith('"') && !key.startsWith('#');
  const text = plain ? key : JSON.stringify(key);
  if (text.length <= LONGEST_PLAIN) return text;
  return `#${text.slice(0, 64).toWellFormed()}#${createHash('sha256').update(text).digest('hex')}`;
}
