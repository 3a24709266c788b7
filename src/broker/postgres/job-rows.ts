/** Jobs as rows of a list (see `job-row`) from PostgreSQL. */
import type { JobRef, StoredJob } from '../broker.js';
import { LONGEST_DATA, withoutArguments } from '../job-head.js';
import {
  LONGEST_PROGRESS,
  LONGEST_REASON,
  LONGEST_RESULT,
  LONGEST_STACK,
  UNREAD_RESULT,
} from '../job-row.js';
import { HAS_STEPS } from './steps.js';
import type { PgQuery, PgRow } from './wire.js';

/** Stored size, bytes, below which data is not compressed and short enough as text to be read in full. */
const STORED_SMALL = 2_000;
/** Jobs per statement. */
const CHUNK = 100;

// Converts data to text for measuring only if it may be long. What celeriac adds to a stack is its last line.
const READ = `
SELECT r.n, j.name, j.added_at_ms, j.delay_ms, j.processed_at_ms, j.finished_at_ms, j.attempts_made, j.attempts_started,
       j.state = 'active' AS running, j.processed_by, j.priority, l.length, ${HAS_STEPS} AS has_steps,
       CASE WHEN l.length > ${LONGEST_DATA} THEN (j.data - 'args')::text ELSE j.data::text END AS data,
       CASE WHEN octet_length(j.progress::text) > ${LONGEST_PROGRESS}
            THEN jsonb_build_object('state', j.progress -> 'state', 'attempt', j.progress -> 'attempt')::text
            ELSE j.progress::text END AS progress,
       CASE WHEN j.state <> 'completed' THEN NULL
            WHEN pg_column_size(j.return_value) > ${STORED_SMALL} OR octet_length(j.return_value::text) > ${LONGEST_RESULT}
            THEN '${UNREAD_RESULT}' ELSE coalesce(j.return_value::text, '${UNREAD_RESULT}') END AS returnvalue,
       left(j.failed_reason, ${LONGEST_REASON}) AS failed_reason,
       CASE WHEN octet_length(s.stack) <= ${LONGEST_STACK} THEN s.stack
            ELSE substring(s.stack from E'\\n    celeriac: [^\\n]*$') END AS stack
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(queue, id, n)
  JOIN job j ON j.queue = r.queue AND j.id = r.id
  CROSS JOIN LATERAL (SELECT j.stacktrace ->> -1 AS stack) s
  CROSS JOIN LATERAL (
    SELECT CASE WHEN pg_column_size(j.data) > ${STORED_SMALL} THEN octet_length(j.data::text) ELSE 0 END AS length) l`;

/** The rows, in order; `undefined` for a job that does not exist. */
export async function readRows(query: PgQuery, refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
  const found: (StoredJob | undefined)[] = refs.map(() => undefined);
  for (let i = 0; i < refs.length; i += CHUNK) {
    const chunk = refs.slice(i, i + CHUNK);
    const { rows } = await query(READ, [chunk.map(({ queue }) => queue), chunk.map(({ id }) => id)]);
    for (const row of rows) {
      const at = Number(row.n) - 1;
      const ref = chunk[at];
      if (ref !== undefined) found[i + at] = decode(ref, row);
    }
  }
  return found;
}

function decode(ref: JobRef, row: PgRow): StoredJob {
  const text = (column: string) => (row[column] == null ? undefined : String(row[column]));
  const number = (column: string) => (row[column] == null ? undefined : Number(row[column]));
  const data = text('data') ?? '{}';
  const length = number('length') ?? 0;
  const progress = text('progress');
  return {
    kind: 'job',
    ...ref,
    name: text('name') ?? '',
    data: length > LONGEST_DATA ? withoutArguments(objectIn(data), length) : data,
    progress: progress === undefined ? undefined : JSON.parse(progress),
    returnvalue: text('returnvalue'),
    failedReason: text('failed_reason'),
    stack: text('stack'),
    priority: number('priority') ?? 0,
    sentAt: number('added_at_ms') ?? 0,
    delayMs: number('delay_ms') ?? 0,
    startedAt: number('processed_at_ms'),
    doneAt: number('finished_at_ms'),
    retries: number('attempts_made') ?? 0,
    deliveries: number('attempts_started') ?? 0,
    running: row.running === true,
    worker: text('processed_by'),
    ...(row.has_steps === true && { hasSteps: true }),
  };
}

function objectIn(text: string): object {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null ? value : {};
}
