/**
 * Checks a PostgreSQL server or an embedded database: its version and its schema; for a server also whether it takes writes
 * and keeps them, and how many connections are left.
 */
import { type CheckResult, ok, problem, warning } from '../check-result.js';
import { isMigrated, notMigrated } from './schema.js';
import type { PgQuery } from './wire.js';

const FACTS = `
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS standby,
       current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commits,
       current_setting('max_connections')::int AS most, (SELECT count(*)::int FROM pg_stat_activity) AS used`;

/** Runs the checks. `served`: whether it is a server; an embedded database has no connections or settings to check. */
export async function examinePostgres(
  query: PgQuery,
  place: { readonly schema: string; readonly address: string; readonly served: boolean },
): Promise<CheckResult[]> {
  const { rows } = await query(FACTS);
  const facts = rows[0] ?? {};
  const found = [ok('version', `PostgreSQL ${String(facts.version)}${place.served ? '' : ', embedded'}`)];
  if (place.served) found.push(...serverFindings(facts));
  found.push(await schema(query, place));
  return found;
}

function serverFindings(facts: Readonly<Record<string, unknown>>): CheckResult[] {
  const [used, most] = [Number(facts.used), Number(facts.most)];
  const connections = `${used} of ${most} in use`;
  return [
    facts.standby === true
      ? problem('role', 'it is a standby, and takes no writes', 'Name the primary in the broker URL.')
      : ok('role', 'it takes writes'),
    facts.fsync === 'on'
      ? ok('persistence', `fsync is on, synchronous_commit ${String(facts.commits)}`)
      : problem('persistence', 'fsync is off', 'A crash may destroy everything. Set fsync to on.'),
    used < most * 0.9
      ? ok('connections', connections)
      : warning(
          'connections',
          connections,
          'Raise max_connections, or close what is idle: each process takes up to 11.',
        ),
  ];
}

async function schema(
  query: PgQuery,
  { schema: name, address }: { readonly schema: string; readonly address: string },
): Promise<CheckResult> {
  try {
    if (await isMigrated(query, name))
      return ok('schema', `"${name}" is there, in the version this package needs`);
    const { message } = notMigrated(name, address);
    return problem('schema', `"${name}" is missing or old`, message.replace(/^.*?\. /s, ''));
  } catch (error) {
    // The server is too old for BullMQ, or the schema belongs to a newer BullMQ.
    const why = error instanceof Error ? error.message : String(error);
    return problem(
      'schema',
      `"${name}" does not fit: ${why}`,
      'Upgrade whichever is older, this package or the server.',
    );
  }
}
