/**
 * Escapes text so that every engine accepts it. PostgreSQL refuses NUL and lone surrogates in `text` and `jsonb`, so they
 * are written as U+2400 (␀, "symbol for null") and the four hex digits of the code unit: NUL is `␀0000`, a lone high
 * surrogate `␀d83d`, and a ␀ of the user's own `␀2400`. Reversible for every string, and done on every engine, so that
 * text which works on Redis also works on PostgreSQL.
 */

const ESCAPE = '\u2400';
const TO_ESCAPE = /[\0\u2400\p{Cs}]/gu;
const ESCAPED = /\u2400(0000|2400|d[89a-f][0-9a-f]{2})/g;

/** Whether every engine accepts the text unescaped. */
export function isPlainText(text: string): boolean {
  return (text.length <= SHORT && isBelowSurrogates(text)) || isPlainLongText(text);
}

// Keys and most values are short: a loop over the code units is far faster than two native calls.
const SHORT = 40;

function isBelowSurrogates(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === 0 || unit >= 0xd800) return false;
  }
  return true;
}

function isPlainLongText(text: string): boolean {
  return !text.includes('\0') && (text as WellFormedString).isWellFormed();
}

/** The text with NUL, lone surrogates and ␀ escaped. */
export function escapeText(text: string): string {
  if (isPlainText(text) && !text.includes(ESCAPE)) return text;
  return text.replace(TO_ESCAPE, (unit) => ESCAPE + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

/** Undoes {@link escapeText}. */
export function unescapeText(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replace(ESCAPED, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)));
}

/** {@link escapeText} for every string and key of a JSON value. Copies. */
export function escapeTree(value: unknown): unknown {
  return mapText(value, escapeText);
}

/** Undoes {@link escapeTree}. Copies. */
export function unescapeTree(value: unknown): unknown {
  return mapText(value, unescapeText);
}

/** Sets an own property whatever its name: a plain assignment to `__proto__` would change the prototype. */
export function setOwn(target: object, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    (target as Record<string, unknown>)[key] = value;
  }
}

// Node 20 has isWellFormed; TypeScript's es2023 library does not declare it.
type WellFormedString = string & { isWellFormed(): boolean };

function mapText(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapText(item, map));
  const mapped = {};
  for (const [key, item] of Object.entries(value)) setOwn(mapped, map(key), mapText(item, map));
  return mapped;
}
