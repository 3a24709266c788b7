/** Reads the heads of jobs (see `job-head`) from PostgreSQL. */

import { PARK_MARK } from '../../protocol/waiting.js';
import type { JobHead, JobRef } from '../broker.js';
import { FROM_ASKED, readAsked, SHORT_DATA, shortData } from './short-jobs.js';
import type { PgQuery, PgRow } from './wire.js';

const READ = `
SELECT r.n, j.name, j.added_at_ms, j.delay_ms, j.processed_at_ms, j.finished_at_ms, j.attempts_made, j.attempts_started,
       j.state = 'active' AS running,
       CASE WHEN starts_with(j.stacktrace ->> -1, '${PARK_MARK}') THEN j.stacktrace ->> -1 END AS stack, ${SHORT_DATA}
       ${FROM_ASKED}`;

/** The heads of these jobs, in order; `undefined` for a job that does not exist. */
export function readHeads(query: PgQuery, refs: readonly JobRef[]): Promise<(JobHead | undefined)[]> {
  return readAsked(query, READ, refs, decode);
}

function decode(ref: JobRef, row: PgRow): JobHead {
  const number = (column: string) => (row[column] == null ? undefined : Number(row[column]));
  return {
    ...ref,
    name: String(row.name),
    data: shortData(row),
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
