/** How a caller's transaction is recognised as one in the database of an engine. */
import type { SqlGround } from '../sql-ground.js';
import type { PgQuery } from './wire.js';

/** @param query statements on the engine's own connections */
export function sqlGround(query: PgQuery, schema: string): SqlGround {
  const identify = identityOf(schema);
  return {
    schema,
    identify,
    identity: async () => String((await query(identify)).rows[0]?.['identity']),
  };
}

/**
 * The database, a table in it, and when its server started: a copy of the server has the same tables, under the same
 * numbers.
 */
function identityOf(schema: string): string {
  return `
SELECT concat_ws(' ', current_database(), to_regclass('"${schema}".celeriac_record')::oid::text,
    (SELECT oid::text FROM pg_database WHERE datname = current_database()),
    floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint::text) AS identity`;
}
