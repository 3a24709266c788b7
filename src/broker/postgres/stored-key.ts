/** Any string as a key PostgreSQL takes. */
import { createHash } from 'node:crypto';

const LONGEST_PLAIN = 512;

/** No NUL, no lone surrogate, short enough for an index. Distinct stays distinct. */
export function storedKey(key: string): string {
  const plain = key.isWellFormed() && !key.includes('\0') && !key.startsWith('"') && !key.startsWith('#');
  const text = plain ? key : JSON.stringify(key);
  if (text.length <= LONGEST_PLAIN) return text;
  return `#${text.slice(0, 64).toWellFormed()}#${createHash('sha256').update(text).digest('hex')}`;
}
