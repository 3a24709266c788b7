/**
 * Reads BullMQ jobs from PostgreSQL, many in one statement. The layout (one `job` table keyed by queue and id) is BullMQ
 * 6's; the engine conformance test fails when an upgrade changes it.
 */
import { createHash } from 'node:crypto';
import type { DelayedJob, JobRef, StoredJob } from '../broker.js';
import { HAS_STEPS } from './steps.js';
import type { PgQuery, PgRow } from './wire.js';

// Reads jsonb as text: the driver would parse it, and numbers beyond 2^53 would lose digits.
const READ = `
SELECT r.n, j.name, j.data::text AS data, j.progress::text AS progress,
       CASE WHEN j.state = 'completed' THEN coalesce(j.return_value::text, 'null') END AS returnvalue,
       j.failed_reason, j.stacktrace ->> -1 AS stack, j.priority, j.added_at_ms, j.delay_ms, j.processed_at_ms,
       j.finished_at_ms, j.attempts_made, j.attempts_started, j.state = 'active' AS running, j.processed_by,
       ${HAS_STEPS} AS has_steps
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(queue, id, n)
  JOIN job j ON j.queue = r.queue AND j.id = r.id`;

const UNENDED = `
SELECT r.n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r(queue, id, n)
  JOIN job j ON j.queue = r.queue AND j.id = r.id
 WHERE j.finished_at_ms IS NULL`;

// Compares by digest: a job may be large, and need not be sent back for the comparison.
const AMEND = `
UPDATE job SET data = $3::jsonb WHERE queue = $1 AND id = $2 AND md5(data::text) = $4 RETURNING true AS done`;

const DELAYED = `
SELECT queue, id, process_at_ms FROM job WHERE queue = ANY($1::text[]) AND state = 'delayed'
 ORDER BY process_at_ms LIMIT $2`;

const UNCOUNT = `
UPDATE job SET attempts_started = attempts_started - 1 WHERE queue = $1 AND id = $2 AND attempts_started > 0`;

/** The jobs, in order; `undefined` for a job that does not exist. */
export async function readJobs(query: PgQuery, refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
  const jobs: (StoredJob | undefined)[] = refs.map(() => undefined);
  if (refs.length === 0) return jobs;
  const { rows } = await query(READ, columns(refs));
  for (const row of rows) {
    const index = Number(row.n) - 1;
    const ref = refs[index];
    if (ref !== undefined) jobs[index] = storedJob(ref, row);
  }
  return jobs;
}

/** Whether each job is finished or gone, in order. */
export async function readEnded(query: PgQuery, refs: readonly JobRef[]): Promise<boolean[]> {
  const ended = refs.map(() => true);
  if (refs.length === 0) return ended;
  const { rows } = await query(UNENDED, columns(refs));
  for (const row of rows) ended[Number(row.n) - 1] = false;
  return ended;
}

/** Replaces the data of a job if it is still `was`. `false` when it changed or the job is gone. */
export async function amendData(
  query: PgQuery,
  { queue, id }: JobRef,
  was: string,
  data: object,
): Promise<boolean> {
  const known = createHash('md5').update(was).digest('hex');
  return (await query(AMEND, [queue, id, JSON.stringify(data), known])).rowCount === 1;
}

/** Subtracts one from a job's count of deliveries. */
export async function uncount(query: PgQuery, { queue, id }: JobRef): Promise<void> {
  await query(UNCOUNT, [queue, id]);
}

/** The delayed jobs of these queues, soonest first. */
export async function readDelayed(
  query: PgQuery,
  queues: readonly string[],
  limit: number,
): Promise<DelayedJob[]> {
  const { rows } = await query(DELAYED, [[...queues], limit]);
  return rows.map((row) => ({
    ref: { queue: String(row.queue), id: String(row.id) },
    dueAt: Number(row.process_at_ms),
  }));
}

function columns(refs: readonly JobRef[]): [string[], string[]] {
  return [refs.map((ref) => ref.queue), refs.map((ref) => ref.id)];
}

/** A job as its row has it. */
export function storedJob(ref: JobRef, row: PgRow): StoredJob {
  const text = (column: string) => (row[column] == null ? undefined : String(row[column]));
  const number = (column: string) => (row[column] == null ? undefined : Number(row[column]));
  const progress = text('progress');
  return {
    kind: 'job',
    id: ref.id,
    queue: ref.queue,
    name: text('name') ?? '',
    data: text('data') ?? '{}',
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
