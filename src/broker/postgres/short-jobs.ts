/** What reads of jobs for display have in common (see `job-head`): their messages are cut where they are long. */
import type { JobRef } from '../broker.js';
import { LONGEST_DATA, withoutArguments } from '../job-head.js';
import type { PgQuery, PgRow } from './wire.js';

/** Stored size, bytes, below which data is not compressed and short enough as text to be read in full. */
export const STORED_SMALL = 2_000;
/** Jobs per statement. */
const CHUNK = 100;

/** The columns of a message. */
export const SHORT_DATA = `
       l.length,
       CASE WHEN l.length > ${LONGEST_DATA} THEN (j.data - 'args')::text ELSE j.data::text END AS data`;

// Converts data to text for measuring only if it may be long.
/** The jobs asked for, as `j`, each with its number `r.n`. */
export const FROM_ASKED = `
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(queue, id, n)
  JOIN job j ON j.queue = r.queue AND j.id = r.id
  CROSS JOIN LATERAL (
    SELECT CASE WHEN pg_column_size(j.data) > ${STORED_SMALL} THEN octet_length(j.data::text) ELSE 0 END AS length) l`;

/** Runs a statement over {@link FROM_ASKED}, in pieces; in order, `undefined` for a job that does not exist. */
export async function readAsked<T>(
  query: PgQuery,
  statement: string,
  refs: readonly JobRef[],
  decode: (ref: JobRef, row: PgRow) => T,
): Promise<(T | undefined)[]> {
  const found: (T | undefined)[] = refs.map(() => undefined);
  for (let i = 0; i < refs.length; i += CHUNK) {
    const chunk = refs.slice(i, i + CHUNK);
    const { rows } = await query(statement, [chunk.map(({ queue }) => queue), chunk.map(({ id }) => id)]);
    for (const row of rows) {
      const at = Number(row.n) - 1;
      const ref = chunk[at];
      if (ref !== undefined) found[i + at] = decode(ref, row);
    }
  }
  return found;
}

/** The message of a row, as JSON text; a long one without its arguments. */
export function shortData({ data, length }: PgRow): string {
  const text = String(data ?? '{}');
  return Number(length ?? 0) > LONGEST_DATA ? withoutArguments(objectIn(text), Number(length)) : text;
}

function objectIn(text: string): object {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null ? value : {};
}
