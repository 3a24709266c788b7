/** Jobs as rows of a list (see `job-row`) from PostgreSQL. */
import type { JobRef, StoredJob } from '../broker.js';
import {
  LONGEST_PROGRESS,
  LONGEST_REASON,
  LONGEST_RESULT,
  LONGEST_STACK,
  UNREAD_RESULT,
} from '../job-row.js';
import { storedJob } from './jobs.js';
import { FROM_ASKED, readAsked, SHORT_DATA, STORED_SMALL, shortData } from './short-jobs.js';
import { HAS_STEPS } from './steps.js';
import type { PgQuery } from './wire.js';

// What celeriac adds to a stack is its last line.
const READ = `
SELECT r.n, j.name, j.added_at_ms, j.delay_ms, j.processed_at_ms, j.finished_at_ms, j.attempts_made, j.attempts_started,
       j.state = 'active' AS running, j.processed_by, j.priority, ${HAS_STEPS} AS has_steps, ${SHORT_DATA},
       CASE WHEN octet_length(j.progress::text) > ${LONGEST_PROGRESS}
            THEN jsonb_build_object('state', j.progress -> 'state', 'attempt', j.progress -> 'attempt')::text
            ELSE j.progress::text END AS progress,
       CASE WHEN j.state <> 'completed' THEN NULL
            WHEN pg_column_size(j.return_value) > ${STORED_SMALL} OR octet_length(j.return_value::text) > ${LONGEST_RESULT}
            THEN '${UNREAD_RESULT}' ELSE coalesce(j.return_value::text, '${UNREAD_RESULT}') END AS returnvalue,
       left(j.failed_reason, ${LONGEST_REASON}) AS failed_reason,
       CASE WHEN octet_length(s.stack) <= ${LONGEST_STACK} THEN s.stack
            ELSE substring(s.stack from E'\\n    celeriac: [^\\n]*$') END AS stack
       ${FROM_ASKED}
  CROSS JOIN LATERAL (SELECT j.stacktrace ->> -1 AS stack) s`;

/** The rows, in order; `undefined` for a job that does not exist. */
export function readRows(query: PgQuery, refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
  return readAsked(query, READ, refs, (ref, row) => ({ ...storedJob(ref, row), data: shortData(row) }));
}
