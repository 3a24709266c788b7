/**
 * A ready-made, migrated PGlite data directory in the user's cache folder, so that an embedded broker starts in about a
 * second instead of running initdb and migrations. There is one file per PGlite and schema version. It can be deleted at
 * any time, and a damaged file is ignored and written anew.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { SCHEMA_VERSIONS } from '../postgres/schema.js';

/** The schema inside the template; the first app renames it to its own. */
export const TEMPLATE_SCHEMA = 'celeriac_template';

/** Paths for the template, best first. */
export function templatePaths(pgliteVersion: string): string[] {
  const name = `pglite-${pgliteVersion}-${SCHEMA_VERSIONS}.tar.gz`;
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  // All users share the temporary folder: the user's id keeps their files apart.
  return [join(cache, 'celeriac', name), join(tmpdir(), `celeriac-${userInfo().uid}`, name)];
}

/** The template as a tar; `undefined` when there is no intact one. */
export function readTemplate(paths: readonly string[]): Uint8Array<ArrayBuffer> | undefined {
  for (const path of paths) {
    try {
      // gzip ends with a checksum and the length of its content; gunzip verifies both.
      return new Uint8Array(gunzipSync(readFileSync(path)));
    } catch {
      // Missing, unreadable or damaged: the caller makes a new one.
    }
  }
  return undefined;
}

/** Writes the template to the first writable path, so that readers see all of it or nothing. */
export function writeTemplate(paths: readonly string[], tar: Uint8Array): void {
  const packed = gzipSync(tar, { level: 1 });
  for (const path of paths) {
    const temporary = `${path}.${process.pid}.${Date.now()}.tmp`;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(temporary, packed, { mode: 0o600 });
      renameSync(temporary, path);
      return;
    } catch {
      // A read-only home, a full disk: without a template the broker only starts more slowly.
      rmSync(temporary, { force: true });
    }
  }
}

/** SQL that makes the template's schema the schema of an app. */
export function adoptTemplate(schema: string): string {
  // BullMQ's functions carry the schema they were made in as their own search_path.
  return `
DO $adopt$
DECLARE f regprocedure;
BEGIN
  ALTER SCHEMA "${TEMPLATE_SCHEMA}" RENAME TO "${schema}";
  FOR f IN SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = '"${schema}"'::regnamespace AND proconfig IS NOT NULL
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path TO "${schema}"', f);
  END LOOP;
END $adopt$`;
}
