/**
 * The QueueAdmin port on PostgreSQL and PGlite. Queues in use are fields of BullMQ's `meta` table, so no schema of ours
 * changes; jobs are BullMQ 6's `job` table. The engine conformance test fails when an upgrade changes either.
 */

import type { PageAsked, PlacedJob } from '../job-pages.js';
import type { JobRef } from '../job-ref.js';
import {
  type Ended,
  type EndedBefore,
  type EndedStep,
  type FailedPlace,
  type KnownQueue,
  MOST_WAKINGS,
  NOTHING_PASSED,
  type QueueAdmin,
  type QueueSizes,
  type Taken,
  type TakenJob,
  type TakeStep,
} from '../queue-admin.js';
import type { StoredJob } from '../stored-job.js';
import { GOES_ON } from './goes-on.js';
import { readPages } from './job-pages.js';
import { readRows } from './job-rows.js';
import { readSizes } from './queue-sizes.js';
import type { PgQuery, PgRow } from './wire.js';

const FIELD = 'celeriac';

const NOTE = `
INSERT INTO meta (queue, field, value)
SELECT DISTINCT q, '${FIELD}', (extract(epoch FROM now()) * 1000)::bigint::text FROM unnest($1::text[]) AS q
ON CONFLICT (queue, field) DO UPDATE SET value = excluded.value`;

const DUE = `
SELECT r.n,
       EXISTS (SELECT 1 FROM job j WHERE j.queue = r.queue AND j.state = 'completed' AND j.finished_at_ms <= $2::bigint)
    OR EXISTS (SELECT 1 FROM job j WHERE j.queue = r.queue AND j.state = 'failed' AND j.finished_at_ms <= $3::bigint) AS due
  FROM unnest($1::text[]) WITH ORDINALITY AS r(queue, n)
 ORDER BY r.n`;

const ENDED = `
SELECT id, data ? 'args' AND jsonb_typeof(data -> 'v') IS NOT DISTINCT FROM 'number' AS own FROM job
 WHERE queue = $1 AND state = $2::job_state AND finished_at_ms <= $3::bigint
 ORDER BY seq OFFSET $4 LIMIT $5`;

// The one that is due first gets the last number, and so the first place.
const WAKINGS_FIRST = `
WITH due AS (
  SELECT id, process_at_ms FROM job
   WHERE queue = $1 AND state = 'delayed' AND process_at_ms <= $2::bigint AND ${GOES_ON}
   ORDER BY process_at_ms LIMIT $3 FOR UPDATE SKIP LOCKED),
placed AS MATERIALIZED (
  SELECT id, -nextval('job_seq') AS place FROM (SELECT id FROM due ORDER BY process_at_ms DESC) AS o),
moved AS (
  UPDATE job j SET state = 'waiting', process_at_ms = NULL, delay_ms = 0, seq = p.place
    FROM placed p WHERE j.queue = $1 AND j.id = p.id
  RETURNING j.priority)
SELECT coalesce((SELECT min(priority) FROM moved) <= coalesce(f.priority, 0), false) OR coalesce(f.goes_on, false) AS first
  FROM (VALUES (1)) AS one LEFT JOIN (
    SELECT priority, ${GOES_ON} AS goes_on FROM job
     WHERE queue = $1 AND state = 'waiting' ORDER BY priority, seq LIMIT 1) AS f ON true`;

// Two parts, so that each uses its own index.
const TAKE = `
WITH waiting AS (
  SELECT id FROM job WHERE queue = $1 AND state = 'waiting' AND scheduler_id IS NULL
   ORDER BY priority, seq LIMIT $4 FOR UPDATE SKIP LOCKED),
delayed AS (
  SELECT id FROM job WHERE queue = $1 AND state = 'delayed' AND scheduler_id IS NULL
   ORDER BY process_at_ms LIMIT $4 FOR UPDATE SKIP LOCKED),
chosen AS (SELECT id FROM waiting UNION ALL SELECT id FROM delayed LIMIT $4)
UPDATE job j SET state = 'active', lock_token = $2,
       locked_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3::bigint
  FROM chosen WHERE j.queue = $1 AND j.id = chosen.id
RETURNING j.id, j.name, j.data::text AS data, j.opts, j.added_at_ms, j.parent_id IS NOT NULL AS has_parent`;

const FAILED = `
SELECT finished_at_ms AS at, queue, id FROM job
 WHERE queue = ANY($1::text[]) AND state = 'failed'
   AND ($2::bigint IS NULL OR finished_at_ms <= $2::bigint)
   AND ($2::bigint IS NULL OR (finished_at_ms, queue COLLATE "C", id COLLATE "C") < ($2::bigint, $3::text, $4::text))
 ORDER BY finished_at_ms DESC, queue COLLATE "C" DESC, id COLLATE "C" DESC LIMIT $5`;

const RESET = `
UPDATE job SET stalled_count = 0, stalled_marked = false, progress = NULL, processed_by = NULL, deferred_failure = NULL
 WHERE queue = $1 AND id = $2 AND state IN ('failed', 'completed')`;

export class PgQueueAdmin implements QueueAdmin {
  constructor(private readonly query: PgQuery) {}

  async note(queues: readonly string[]): Promise<void> {
    if (queues.length > 0) await this.query(NOTE, [queues]);
  }

  async known(): Promise<KnownQueue[]> {
    const { rows } = await this.query(`SELECT queue, value FROM meta WHERE field = '${FIELD}'`);
    return rows.map((row) => ({ name: String(row.queue), notedAt: Number(row.value) }));
  }

  async forget(queues: readonly string[]): Promise<void> {
    if (queues.length === 0) return;
    await this.query(`DELETE FROM meta WHERE field = '${FIELD}' AND queue = ANY($1::text[])`, [queues]);
  }

  sizes(queues: readonly string[]): Promise<QueueSizes[]> {
    return readSizes(this.query, queues);
  }

  async due(queues: readonly string[], { completed, failed }: EndedBefore): Promise<boolean[]> {
    if (queues.length === 0) return [];
    const { rows } = await this.query(DUE, [queues, completed, failed]);
    return rows.map((row) => row.due === true);
  }

  async ended(queue: string, { state, before, passed, limit }: EndedStep): Promise<Ended> {
    const { rows } = await this.query(ENDED, [queue, state, Math.floor(before), passed, limit]);
    const own = rows.filter((row) => row.own === true).map((row) => String(row.id));
    return { own, foreign: rows.length - own.length };
  }

  async wakingsFirst(queue: string, now = Date.now()): Promise<boolean> {
    const { rows } = await this.query(WAKINGS_FIRST, [queue, Math.floor(now), MOST_WAKINGS]);
    return rows[0]?.first === true;
  }

  async take(queue: string, { limit, token, lockMs }: TakeStep): Promise<Taken> {
    const { rows } = await this.query(TAKE, [queue, token, lockMs, limit]);
    // The statement excludes the jobs of schedulers, so there is nothing to skip.
    return { jobs: rows.map(decode), passed: NOTHING_PASSED, looked: rows.length > 0 };
  }

  async failed(
    queues: readonly string[],
    before: FailedPlace | undefined,
    limit: number,
  ): Promise<FailedPlace[]> {
    if (queues.length === 0) return [];
    const place = [before?.at ?? null, before?.queue ?? null, before?.id ?? null];
    const { rows } = await this.query(FAILED, [queues, ...place, limit]);
    return rows.map((row) => ({ at: Number(row.at), queue: String(row.queue), id: String(row.id) }));
  }

  pages(asked: readonly PageAsked[]): Promise<PlacedJob[][]> {
    return readPages(this.query, asked);
  }

  rows(refs: readonly JobRef[]): Promise<(StoredJob | undefined)[]> {
    return readRows(this.query, refs);
  }

  async reset(queue: string, id: string): Promise<void> {
    await this.query(RESET, [queue, id]);
  }
}

function decode(row: PgRow): TakenJob {
  const opts: unknown = typeof row.opts === 'string' ? JSON.parse(row.opts) : row.opts;
  return {
    id: String(row.id),
    name: String(row.name),
    data: String(row.data),
    opts: typeof opts === 'object' && opts !== null ? (opts as Record<string, unknown>) : {},
    sentAt: Number(row.added_at_ms),
    hasParent: row.has_parent === true,
  };
}
