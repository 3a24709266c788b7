/**
 * SQL with its values written into the text. Drivers and query builders encode parameters each in their own way (JSON,
 * arrays, booleans), and a statement inside a caller's transaction passes through any of them, so it must bind nothing.
 * A literal has no type of its own, exactly as a parameter without a type.
 */
import { BrokerError } from '../../errors.js';

/** The text with `$1`, `$2` … replaced by literals. @param avoid characters that must not stand in a literal */
export function inlined(text: string, params: readonly unknown[] = [], avoid = ''): string {
  return text.replace(/\$(\d+)/g, (_, n: string) => literal(params[Number(n) - 1], avoid));
}

/**
 * A value as a literal. Correct whether or not the session has `standard_conforming_strings`.
 * @throws {BrokerError} for text that PostgreSQL cannot hold
 */
export function literal(value: unknown, avoid = ''): string {
  if (value === null || value === undefined) return 'NULL';
  return quoted(Array.isArray(value) ? `{${value.map(element).join(',')}}` : textOf(value), avoid);
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      throw new BrokerError(`A value of type ${typeof value} cannot be written into a statement.`);
  }
}

/** An element of an array in PostgreSQL's own notation. */
function element(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  return `"${textOf(value).replace(/["\\]/g, '\\$&')}"`;
}

function quoted(text: string, avoid: string): string {
  if (text.includes('\0')) throw new BrokerError('PostgreSQL accepts no NUL (U+0000) in a text.');
  if (!text.isWellFormed())
    throw new BrokerError('PostgreSQL accepts no half of a surrogate pair in a text.');
  const doubled = text.replaceAll("'", "''");
  const avoided = [...avoid].filter((each) => text.includes(each));
  // Without a backslash a plain literal means the same under every setting.
  if (avoided.length === 0 && !text.includes('\\')) return `'${doubled}'`;
  const escaped = avoided.reduce(
    (rest, each) => rest.replaceAll(each, `\\x${each.charCodeAt(0).toString(16).padStart(2, '0')}`),
    doubled.replaceAll('\\', '\\\\'),
  );
  return `E'${escaped}'`;
}
