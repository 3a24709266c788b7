/**
 * The WorkflowRecords port on PostgreSQL and PGlite: one row per field. The row of the field HEAD stands for the record: it
 * carries the expiry, and every write must lock it, so that counters are exact in any order of commits.
 */
import {
  type DueWorkflows,
  HEAD,
  PLAN,
  REVOKED,
  type WorkflowRecords,
  type WorkflowWrite,
  type WorkflowWritten,
} from '../broker.js';
import type { PgQuery } from './wire.js';

const ALIVE = '(p.expire_at IS NULL OR p.expire_at > now())';
const EXPIRY = "now() + $3::double precision * interval '1 millisecond'";

const CREATE = `
WITH head AS (
  INSERT INTO celeriac_flow (flow, field, value, expire_at) VALUES ($1, '${HEAD}', '1', ${EXPIRY})
  ON CONFLICT (flow, field) DO NOTHING RETURNING flow)
INSERT INTO celeriac_flow (flow, field, value) SELECT flow, '${PLAN}', $2 FROM head RETURNING true AS done`;

// Joins by both parts of the key: reading all fields of a flow for each of many reads would cost their product.
const READ = `
SELECT w.n, f.field, f.value
  FROM jsonb_to_recordset($1::jsonb) AS w(n int, flow text, fields jsonb)
  JOIN celeriac_flow p ON p.flow = w.flow AND p.field = '${HEAD}' AND ${ALIVE}
  CROSS JOIN LATERAL jsonb_array_elements_text(w.fields) AS k(field)
  JOIN celeriac_flow f ON f.flow = w.flow AND f.field = k.field`;

const EXPIRE = `
UPDATE celeriac_flow p SET expire_at = now() + $2::double precision * interval '1 millisecond'
 WHERE p.flow = $1 AND p.field = '${HEAD}' AND ${ALIVE}`;

const REMOVE_EXPIRED = `
DELETE FROM celeriac_flow f WHERE f.flow = $1 AND EXISTS (
  SELECT 1 FROM celeriac_flow p WHERE p.flow = $1 AND p.field = '${HEAD}' AND p.expire_at <= now())
RETURNING true AS done`;

/** Most workflows per step of reclaiming. */
const RECLAIM_FLOWS = 50;

// Oldest first. The head of a record is removed last, so that a partly removed record still counts as expired.
const EXPIRED = `
SELECT flow FROM celeriac_flow WHERE expire_at <= now() ORDER BY expire_at, flow LIMIT ${RECLAIM_FLOWS}`;

const RECLAIM_FIELDS = `
DELETE FROM celeriac_flow f USING (
  SELECT r.flow, r.field FROM (${EXPIRED}) AS gone JOIN celeriac_flow r ON r.flow = gone.flow
   WHERE r.field <> '${HEAD}' LIMIT $1) AS chosen
 WHERE f.flow = chosen.flow AND f.field = chosen.field`;

const RECLAIM_HEADS = `
DELETE FROM celeriac_flow h WHERE h.flow IN (${EXPIRED}) AND h.field = '${HEAD}' AND h.expire_at <= now()
   AND NOT EXISTS (SELECT 1 FROM celeriac_flow r WHERE r.flow = h.flow AND r.field <> '${HEAD}')`;

/** SQL for the function behind `write`. It finds the tables by the search path, since a schema may be renamed. */
export function flowWriteFunction(schema: string): string {
  return `
CREATE OR REPLACE FUNCTION "${schema}".celeriac_flow_write(the_flow text, writes jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  w jsonb;
  made int;
  revoking text;
  rows jsonb := '[]';
  counted bigint;
  extra bigint;
BEGIN
  PERFORM 1 FROM celeriac_flow p
    WHERE p.flow = the_flow AND p.field = '${HEAD}' AND ${ALIVE} FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  SELECT f.value INTO revoking FROM celeriac_flow f
    WHERE f.flow = the_flow AND f.field = '${REVOKED}';
  FOR w IN SELECT * FROM jsonb_array_elements(writes) LOOP
    made := 0;
    IF revoking IS NULL THEN
      INSERT INTO celeriac_flow (flow, field, value)
        VALUES (the_flow, w->>'field', w->>'value') ON CONFLICT (flow, field) DO NOTHING;
      GET DIAGNOSTICS made = ROW_COUNT;
    END IF;
    counted := 0;
    extra := 0;
    IF w ? 'counter' THEN
      IF made = 1 THEN
        INSERT INTO celeriac_flow AS c (flow, field, value) VALUES (the_flow, w->>'counter', '1')
          ON CONFLICT (flow, field) DO UPDATE SET value = (c.value::bigint + 1)::text;
      END IF;
      SELECT f.value::bigint INTO counted FROM celeriac_flow f
        WHERE f.flow = the_flow AND f.field = w->>'counter';
      SELECT f.value::bigint INTO extra FROM celeriac_flow f
        WHERE f.flow = the_flow AND f.field = (w->>'counter') || '+';
    END IF;
    rows := rows || jsonb_build_array(jsonb_build_object(
      'before', CASE WHEN made = 1 THEN NULL ELSE
        (SELECT f.value FROM celeriac_flow f WHERE f.flow = the_flow AND f.field = w->>'field') END,
      'count', coalesce(counted, 0), 'extra', coalesce(extra, 0)));
  END LOOP;
  RETURN jsonb_build_object('rows', rows, 'revoked', revoking);
END $$;`;
}

/** Calls the function behind `write`. */
export const FLOW_WRITE = 'SELECT celeriac_flow_write($1, $2::jsonb)::text AS reply';

interface WriteReply {
  readonly revoked: string | null;
  readonly rows: readonly {
    readonly before: string | null;
    readonly count: number;
    readonly extra: number;
  }[];
}

// The watch list is stored beside the records, under an id that no workflow has.
const WATCHED = '~watched';
const WATCH = `
INSERT INTO celeriac_flow AS w (flow, field, value) VALUES ('${WATCHED}', $1, $2)
ON CONFLICT (flow, field) DO UPDATE SET value = CASE
  WHEN $3::boolean AND w.value::bigint < excluded.value::bigint THEN w.value ELSE excluded.value END`;
const UNWATCH = `DELETE FROM celeriac_flow WHERE flow = '${WATCHED}' AND field = $1`;
const DUE = `
UPDATE celeriac_flow w SET value = ($1::bigint + $3::bigint)::text
  FROM (SELECT field FROM celeriac_flow WHERE flow = '${WATCHED}' AND value::bigint <= $1::bigint
         ORDER BY value::bigint LIMIT $2 FOR UPDATE SKIP LOCKED) AS d
 WHERE w.flow = '${WATCHED}' AND w.field = d.field RETURNING w.field`;
const NEXT = `SELECT min(value::bigint) AS at FROM celeriac_flow WHERE flow = '${WATCHED}'`;

export class PgWorkflowRecords implements WorkflowRecords {
  constructor(private readonly query: PgQuery) {}

  async create(flow: string, plan: string, ttlMs: number): Promise<boolean> {
    const create = async () => (await this.query(CREATE, [flow, plan, ttlMs])).rowCount === 1;
    if (await create()) return true;
    // An expired record blocks the id until it is removed.
    return (await this.query(REMOVE_EXPIRED, [flow])).rowCount > 0 && create();
  }

  async write(flow: string, writes: readonly WorkflowWrite[]): Promise<WorkflowWritten | undefined> {
    const { rows } = await this.query(FLOW_WRITE, [flow, JSON.stringify(writes)]);
    const text = rows[0]?.reply;
    if (typeof text !== 'string') return undefined;
    const reply = JSON.parse(text) as WriteReply;
    return {
      revoked: reply.revoked ?? undefined,
      rows: reply.rows.map((row) => ({ ...row, before: row.before ?? undefined })),
    };
  }

  async read(
    wanted: readonly { readonly flow: string; readonly fields: readonly string[] }[],
  ): Promise<(string | undefined)[][]> {
    if (wanted.length === 0) return [];
    const { rows } = await this.query(READ, [JSON.stringify(wanted.map((w, n) => ({ n, ...w })))]);
    const found = new Map(rows.map((row) => [`${String(row.n)} ${String(row.field)}`, String(row.value)]));
    return wanted.map(({ fields }, n) => fields.map((field) => found.get(`${n} ${field}`)));
  }

  async watch(flow: string, at: number, sooner = false): Promise<void> {
    await this.query(WATCH, [flow, `${Math.ceil(at)}`, sooner]);
  }

  async unwatch(flow: string): Promise<void> {
    await this.query(UNWATCH, [flow]);
  }

  async due(now: number, limit: number, leaseMs: number): Promise<DueWorkflows> {
    const { rows: next } = await this.query(NEXT);
    const at = next[0]?.at == null ? undefined : Number(next[0].at);
    if (at === undefined || at > now) return { flows: [], nextAt: at };
    const { rows } = await this.query(DUE, [Math.floor(now), limit, leaseMs]);
    return { flows: rows.map(({ field }) => String(field)), nextAt: undefined };
  }

  async expire(flow: string, ttlMs: number): Promise<void> {
    await this.query(EXPIRE, [flow, ttlMs]);
  }

  async remove(flow: string): Promise<void> {
    await this.query('DELETE FROM celeriac_flow WHERE flow = $1', [flow]);
  }

  /** Removes up to `rows` rows of expired workflows, however many parts each has. @returns whether more may be left */
  async reclaim(rows: number): Promise<boolean> {
    const fields = (await this.query(RECLAIM_FIELDS, [rows])).rowCount;
    const heads = (await this.query(RECLAIM_HEADS)).rowCount;
    return fields >= rows || heads >= RECLAIM_FLOWS;
  }
}
