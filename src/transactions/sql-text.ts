/**
 * Text as a literal of SQL. Drivers encode parameters differently (JSON, arrays, dates), so statements on a connection of
 * the caller have no parameters: everything is written into them with this function.
 */
import { OptionError } from '../errors.js';

/**
 * The literal of a text, whatever the server's `standard_conforming_strings`: quotes are doubled, and a text with a
 * backslash becomes an escape string.
 * @throws {OptionError} for a NUL character or half a surrogate pair, which PostgreSQL cannot store
 */
export function literal(text: string): string {
  if (text.includes('\0') || !text.isWellFormed())
    throw new OptionError(
      'A call in a transaction holds a NUL character or half a surrogate pair, which PostgreSQL cannot store.',
    );
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
