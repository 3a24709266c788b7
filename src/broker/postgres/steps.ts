/**
 * The StepRecords port on PostgreSQL and PGlite: a row a field. Whoever writes locks the job's row first, so that a
 * value that is sent and a wait that begins see each other. Rows whose job is gone count as absent, and are reclaimed.
 */
import type { JobRef } from '../job-ref.js';
import type { Sent, SentValue, StepRecords, StepWrite, StepWritten } from '../steps.js';
import { GOES_ON } from './goes-on.js';
import { storedKey } from './stored-key.js';
import type { PgQuery } from './wire.js';

/** The tables and functions, made with the schema. The functions find the tables by the search path: a schema may be renamed. */
export function stepTables(schema: string): string {
  return `
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_step (
  queue text NOT NULL,
  id text NOT NULL,
  -- When the task was sent: an id may be used again.
  sent bigint NOT NULL,
  key text NOT NULL,
  field text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (queue, id, sent, key)
);
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_wake (
  queue text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (queue, id)
);

CREATE OR REPLACE FUNCTION "${schema}".celeriac_step_write(
  the_queue text, the_id text, the_token text, the_key text, the_field text, the_value text, sees text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  at bigint;
  made int;
BEGIN
  SELECT j.added_at_ms INTO at FROM job j
   WHERE j.queue = the_queue AND j.id = the_id AND j.state = 'active' AND j.lock_token = the_token FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  INSERT INTO celeriac_step (queue, id, sent, key, field, value)
    VALUES (the_queue, the_id, at, the_key, the_field, the_value) ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS made = ROW_COUNT;
  RETURN jsonb_build_object(
    'before', CASE WHEN made = 0 THEN (SELECT s.value FROM celeriac_step s
       WHERE s.queue = the_queue AND s.id = the_id AND s.sent = at AND s.key = the_key) END,
    'seen', (SELECT s.value FROM celeriac_step s
       WHERE s.queue = the_queue AND s.id = the_id AND s.sent = at AND s.key = sees));
END $$;

CREATE OR REPLACE FUNCTION "${schema}".celeriac_step_send(
  the_queue text, the_id text, the_key text, the_field text, the_value text, awaited_if text, the_now bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  at bigint;
  made int;
BEGIN
  SELECT j.added_at_ms INTO at FROM job j
   WHERE j.queue = the_queue AND j.id = the_id AND j.finished_at_ms IS NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN 'gone'; END IF;
  INSERT INTO celeriac_step (queue, id, sent, key, field, value)
    VALUES (the_queue, the_id, at, the_key, the_field, the_value) ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS made = ROW_COUNT;
  IF made = 0 THEN RETURN 'taken'; END IF;
  IF NOT EXISTS (SELECT 1 FROM celeriac_step s
    WHERE s.queue = the_queue AND s.id = the_id AND s.sent = at AND s.key = awaited_if) THEN RETURN 'kept'; END IF;
  INSERT INTO celeriac_wake (queue, id, at) VALUES (the_queue, the_id, the_now)
    ON CONFLICT (queue, id) DO UPDATE SET at = greatest(celeriac_wake.at + 1, excluded.at);
  RETURN 'awaited';
END $$;`;
}

/** Whether a job `j` has fields, for a statement that reads jobs. */
export const HAS_STEPS =
  'EXISTS (SELECT 1 FROM celeriac_step s WHERE s.queue = j.queue AND s.id = j.id AND s.sent = j.added_at_ms)';

const WRITE = 'SELECT celeriac_step_write($1, $2, $3, $4, $5, $6, $7)::text AS reply';
const SEND = 'SELECT celeriac_step_send($1, $2, $3, $4, $5, $6, $7::bigint) AS reply';
const OF_JOB = 's.queue = j.queue AND s.id = j.id AND s.sent = j.added_at_ms';
const READ = `
SELECT s.field, s.value FROM job j JOIN celeriac_step s ON ${OF_JOB} WHERE j.queue = $1 AND j.id = $2`;
const DUE = `
UPDATE celeriac_wake w SET at = $1::bigint + $3::bigint
  FROM (SELECT queue, id FROM celeriac_wake WHERE at <= $1::bigint ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) AS d
 WHERE w.queue = d.queue AND w.id = d.id RETURNING w.queue, w.id`;
const MARK = 'SELECT at FROM celeriac_wake WHERE queue = $1 AND id = $2';
const SETTLE = 'DELETE FROM celeriac_wake WHERE queue = $1 AND id = $2 AND at = $3::bigint';
const COPY = `
INSERT INTO celeriac_step (queue, id, sent, key, field, value)
SELECT $3, $4, t.added_at_ms, s.key, s.field, s.value
  FROM job j JOIN celeriac_step s ON ${OF_JOB} JOIN job t ON t.queue = $3 AND t.id = $4
 WHERE j.queue = $1 AND j.id = $2 ON CONFLICT DO NOTHING`;
// Only queues that have steps, found by leaps through the index, and only their delayed jobs.
const WAITING = `
WITH RECURSIVE stepping AS (
  SELECT min(s.queue) AS queue FROM celeriac_step s
   UNION ALL
  SELECT (SELECT min(s.queue) FROM celeriac_step s WHERE s.queue > stepping.queue) FROM stepping
   WHERE stepping.queue IS NOT NULL)
SELECT queue, count(*) AS waiting FROM stepping JOIN job USING (queue)
 WHERE state = 'delayed' AND process_at_ms > $1::bigint AND ${GOES_ON} GROUP BY queue`;
const REMOVE = `
DELETE FROM celeriac_step s USING job j WHERE ${OF_JOB} AND j.queue = $1 AND j.id = $2`;
const RECLAIM = `
DELETE FROM celeriac_step d USING (
  SELECT s.queue, s.id, s.sent, s.key FROM celeriac_step s
   WHERE NOT EXISTS (SELECT 1 FROM job j WHERE ${OF_JOB}) LIMIT $1) AS gone
 WHERE d.queue = gone.queue AND d.id = gone.id AND d.sent = gone.sent AND d.key = gone.key`;

export class PgSteps implements StepRecords {
  constructor(private readonly query: PgQuery) {}

  async write({ queue, id }: JobRef, token: string, write: StepWrite): Promise<StepWritten | undefined> {
    const sees = write.sees === undefined ? null : storedKey(write.sees);
    const params = [queue, id, token, storedKey(write.field), textOf(write.field), write.value, sees];
    const { rows } = await this.query(WRITE, params);
    const reply = rows[0]?.reply;
    if (typeof reply !== 'string') return undefined;
    const { before, seen } = JSON.parse(reply) as { before: string | null; seen: string | null };
    return { before: before ?? undefined, seen: seen ?? undefined };
  }

  async read({ queue, id }: JobRef): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.query(READ, [queue, id]);
    return new Map(rows.map(({ field, value }) => [JSON.parse(String(field)) as string, String(value)]));
  }

  async send({ queue, id }: JobRef, { field, value, awaitedIf, now }: SentValue): Promise<Sent> {
    const params = [queue, id, storedKey(field), textOf(field), value, storedKey(awaitedIf), Math.floor(now)];
    const { rows } = await this.query(SEND, params);
    return String(rows[0]?.reply) as Sent;
  }

  async due(now: number, limit: number, leaseMs: number): Promise<readonly JobRef[]> {
    const { rows } = await this.query(DUE, [Math.floor(now), limit, leaseMs]);
    return rows.map((row) => ({ queue: String(row.queue), id: String(row.id) }));
  }

  async mark({ queue, id }: JobRef): Promise<number | undefined> {
    const { rows } = await this.query(MARK, [queue, id]);
    return rows[0] === undefined ? undefined : Number(rows[0].at);
  }

  async settle({ queue, id }: JobRef, mark: number): Promise<void> {
    await this.query(SETTLE, [queue, id, mark]);
  }

  async copy(from: JobRef, to: JobRef): Promise<boolean> {
    return (await this.query(COPY, [from.queue, from.id, to.queue, to.id])).rowCount > 0;
  }

  async waiting(now = Date.now()): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.query(WAITING, [Math.floor(now)]);
    return new Map(rows.map((row) => [String(row.queue), Number(row.waiting)]));
  }

  async remove({ queue, id }: JobRef): Promise<void> {
    await this.query(REMOVE, [queue, id]);
  }

  /** Removes up to `rows` rows whose job is gone. @returns whether more may be left */
  async reclaim(rows: number): Promise<boolean> {
    return (await this.query(RECLAIM, [rows])).rowCount >= rows;
  }
}

/** As JSON, which escapes what PostgreSQL's text refuses. */
function textOf(field: string): string {
  return JSON.stringify(field);
}
