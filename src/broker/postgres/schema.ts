/**
 * The PostgreSQL schema of an app: its name, its tables, and whether it exists in the right version. BullMQ brings its own
 * tables; ours hold small records, workflows, the places of limits, the steps of tasks, and streams.
 */
import { createHash } from 'node:crypto';
import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION, runMigrations } from 'bullmq';
import { BrokerError } from '../../errors.js';
import { placeTables } from './places.js';
import { stepTables } from './steps.js';
import { streamTables } from './streams.js';
import type { PgQuery } from './wire.js';
import { flowWriteFunction } from './workflow-records.js';

/** Must rise with every change of {@link ownTables}; part of the template's name. */
const OWN_SCHEMA_VERSION = 7;

/** Names the versions of both schemas in caches. */
export const SCHEMA_VERSIONS = `bullmq${LATEST_SCHEMA_VERSION}-celeriac${OWN_SCHEMA_VERSION}`;

// BullMQ accepts only simple identifiers; PostgreSQL reserves 'pg_'.
const SIMPLE = /^(?!pg_)[A-Za-z_][A-Za-z0-9_$]{0,62}$/;

/** The schema of a prefix: the prefix itself if PostgreSQL accepts it, else a readable and unique name. */
export function schemaOf(prefix: string): string {
  if (SIMPLE.test(prefix)) return prefix;
  const readable = prefix.replace(/[^A-Za-z0-9_$]+/g, '_').slice(0, 40);
  return `c_${readable}_${createHash('sha256').update(prefix).digest('hex').slice(0, 12)}`;
}

/** Whether BullMQ's schema and ours exist in the version that this build needs. Reads only; takes no locks. */
export async function isMigrated(query: PgQuery, schema: string): Promise<boolean> {
  const { rows } = await query('SELECT to_regclass($1) AS ledger, to_regclass($2) AS newest', [
    `"${schema}".migration`,
    // The newest of our tables.
    `"${schema}".celeriac_stream`,
  ]);
  if (rows[0]?.ledger == null || rows[0].newest == null) return false;
  // Throws for a server that is too old, or for a schema of a newer BullMQ.
  return (await assertSchemaCompatibility(asBullmq(query), schema)) >= LATEST_SCHEMA_VERSION;
}

/** Creates or upgrades the schema. Does nothing, and needs no DDL rights, if nothing is missing. Needs one session. */
export async function migrateSchema(query: PgQuery, schema: string): Promise<void> {
  if (await isMigrated(query, schema)) return;
  await runMigrations(asBullmq(query), schema);
  await query('BEGIN');
  try {
    // Without the lock, CREATE ... IF NOT EXISTS of two processes at once would fail in one of them.
    await query('SELECT pg_advisory_xact_lock(hashtext($1))', [`celeriac:${schema}`]);
    await query(ownTables(schema));
    await query('COMMIT');
  } catch (error) {
    await query('ROLLBACK');
    throw error;
  }
}

/** The error for a schema that is missing or old. */
export function notMigrated(schema: string, address: string): BrokerError {
  return new BrokerError(
    `The schema "${schema}" at ${address} is not migrated for this version of celeriac. ` +
      'Run `celeriac migrate` once (each time you upgrade), or set `migrate: true`.',
  );
}

function ownTables(schema: string): string {
  return `
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_record (
  key text PRIMARY KEY,
  value text NOT NULL,
  version bigint NOT NULL,
  expire_at timestamptz
);
CREATE INDEX IF NOT EXISTS celeriac_record_expire_idx ON "${schema}".celeriac_record (expire_at)
  WHERE expire_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS "${schema}".celeriac_flow (
  flow text NOT NULL,
  field text NOT NULL,
  value text NOT NULL,
  expire_at timestamptz,
  PRIMARY KEY (flow, field)
);
CREATE INDEX IF NOT EXISTS celeriac_flow_expire_idx ON "${schema}".celeriac_flow (expire_at)
  WHERE expire_at IS NOT NULL;
${flowWriteFunction(schema)}
${placeTables(schema)}
${stepTables(schema)}
${streamTables(schema)}
-- What earlier versions kept places in is read by nobody any more, except by their workers that still run.
UPDATE "${schema}".celeriac_record SET expire_at = now() + interval '7 days'
 WHERE key LIKE 'places:%' AND expire_at IS NULL`;
}

/** Casts for BullMQ, which types rows loosely; their shape is the driver's. */
function asBullmq(query: PgQuery): Parameters<typeof runMigrations>[0] {
  return { query: query as never };
}
