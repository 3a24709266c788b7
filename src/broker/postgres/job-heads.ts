/** Reads the heads of jobs (see `job-head`) from PostgreSQL. */

import { PARK_MARK } from '../../protocol/waiting.js';
import type { JobHead, JobRef } from '../broker.js';
import { LONGEST_DATA, withoutArguments } from '../job-head.js';
import type { PgQuery, PgRow } from './wire.js';

/** Stored size, bytes, below which data is not compressed and short enough as text to be read in full. */
const STORED_SMALL = 2_000;

// Converts data to text for measuring only if it may be long.
const READ = `
SELECT r.n, j.name, j.added_at_ms, j.delay_ms, j.processed_at_ms, j.finished_at_ms, j.attempts_made, j.attempts_started,
       j.state = 'active' AS running, l.length,
       CASE WHEN starts_with(j.stacktrace ->> -1, '${PARK_MARK}') THEN j.stacktrace ->> -1 END AS stack,
       CASE WHEN l.length > ${LONGEST_DATA} THEN (j.data - 'args')::text ELSE j.data::text END AS data
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(queue, id, n)
  JOIN job j ON j.queue = r.queue AND j.id = r.id
  CROSS JOIN LATERAL (
    SELECT CASE WHEN pg_column_size(j.data) > ${STORED_SMALL} THEN octet_length(j.data::text) ELSE 0 END AS length) l`;

const CHUNK = 100;

/** The heads of these jobs, in order; `undefined` for a job that does not exist. */
export async function readHeads(query: PgQuery, refs: readonly JobRef[]): Promise<(JobHead | undefined)[]> {
  const heads: (JobHead | undefined)[] = refs.map(() => undefined);
  for (let i = 0; i < refs.length; i += CHUNK) {
    const chunk = refs.slice(i, i + CHUNK);
    const { rows } = await query(READ, [chunk.map(({ queue }) => queue), chunk.map(({ id }) => id)]);
    for (const row of rows) {
      const at = Number(row.n) - 1;
      const ref = chunk[at];
      if (ref !== undefined) heads[i + at] = decode(ref, row);
    }
  }
  return heads;
}

function decode(ref: JobRef, row: PgRow): JobHead {
  const number = (column: string) => (row[column] == null ? undefined : Number(row[column]));
  const [data, length] = [String(row.data ?? '{}'), number('length') ?? 0];
  return {
    ...ref,
    name: String(row.name),
    data: length > LONGEST_DATA ? withoutArguments(objectIn(data), length) : data,
    sentAt: number('added_at_ms') ?? 0,
    delayMs: number('delay_ms') ?? 0,
    startedAt: number('processed_at_ms'),
    doneAt: number('finished_at_ms'),
    retries: number('attempts_made') ?? 0,
    deliveries: number('attempts_started') ?? 0,
    running: row.running === true,
    stack: row.stack == null ? undefined : String(row.stack),
  };
}

function objectIn(text: string): object {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null ? value : {};
}
