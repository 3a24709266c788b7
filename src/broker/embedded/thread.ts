/**
 * The thread of an embedded database. PGlite blocks the thread that it runs on, and leaves a timer behind that would keep a
 * finished script alive; in a thread of its own it does neither harm. Started by `embedded/pool`, which posts numbered
 * messages.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import { migrateSchema } from '../postgres/schema.js';
import type { PgQuery, PgResult, PgRow } from '../postgres/wire.js';
import { readTemplate, TEMPLATE_SCHEMA, templatePaths, writeTemplate } from './template.js';

export type ThreadRequest =
  | { readonly kind: 'open'; readonly dataDir: string | undefined; readonly fresh: boolean }
  | { readonly kind: 'run'; readonly text: string; readonly params: readonly unknown[] | undefined }
  | { readonly kind: 'close' };

export type ThreadReply =
  | { readonly id: number; readonly result: PgResult }
  | { readonly id: number; readonly error: { message: string; code?: string; detail?: string } }
  | { readonly channel: string; readonly payload: string };

// PostgreSQL's defaults reserve memory for hundreds of sessions; here there is one.
const SETTINGS = [
  'shared_buffers=8MB',
  'wal_buffers=256kB',
  'max_connections=10',
  'min_wal_size=8MB',
  'max_wal_size=32MB',
];
const SMALL_WAL = ['--wal-segsize=1'];
const NOTHING: PgResult = { rows: [], rowCount: 0 };

let database: PGlite | undefined; // this thread runs one database

parentPort?.on('message', ({ id, ...request }: ThreadRequest & { id: number }) => {
  handle(request as ThreadRequest).then(
    (result) => parentPort?.postMessage({ id, result }),
    (error: unknown) => parentPort?.postMessage({ id, error: plain(error) }),
  );
});

async function handle(request: ThreadRequest): Promise<PgResult> {
  switch (request.kind) {
    case 'open':
      database = await open(request.dataDir, request.fresh);
      database.onNotification((channel, payload) => parentPort?.postMessage({ channel, payload }));
      return NOTHING;
    case 'run':
      return queryOn(opened())(request.text, request.params);
    case 'close':
      await database?.close();
      return NOTHING;
  }
}

function opened(): PGlite {
  if (database === undefined) throw new Error('The embedded database is not open.');
  return database;
}

async function open(dataDir: string | undefined, fresh: boolean): Promise<PGlite> {
  const { PGlite } = await import('@electric-sql/pglite');
  const base = { ...(dataDir === undefined ? {} : { dataDir }), postgresqlconf: SETTINGS };
  if (!fresh) return started(new PGlite(base));
  const paths = templatePaths(pgliteVersion());
  const template = readTemplate(paths);
  if (template !== undefined) return started(new PGlite({ ...base, loadDataDir: new Blob([template]) }));
  const db = await started(new PGlite({ ...base, initDbStartParams: SMALL_WAL }));
  await migrateSchema(queryOn(db), TEMPLATE_SCHEMA);
  await db.exec('CHECKPOINT');
  writeTemplate(paths, new Uint8Array(await (await db.dumpDataDir('none')).arrayBuffer()));
  return db;
}

async function started(db: PGlite): Promise<PGlite> {
  await db.waitReady;
  return db;
}

function queryOn(db: PGlite): PgQuery {
  return async (text, params) => {
    if (params !== undefined) {
      const { rows, affectedRows } = await db.query<PgRow>(text, [...params]);
      return { rows, rowCount: affectedRows ?? rows.length };
    }
    const last = (await db.exec(text)).at(-1);
    return last === undefined ? NOTHING : { rows: last.rows, rowCount: last.affectedRows ?? 0 };
  };
}

/** PGlite does not export its package.json, so it is found relative to its main file. */
function pgliteVersion(): string {
  const require = createRequire(import.meta.url);
  const root = dirname(dirname(require.resolve('@electric-sql/pglite')));
  const manifest: unknown = require(join(root, 'package.json'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

/** The fields of an error that BullMQ and the engine read, in a form that can be posted. */
function plain(error: unknown): { message: string; code?: string; detail?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const text = (key: string) => {
    const value: unknown = Reflect.get(error, key);
    return typeof value === 'string' ? { [key]: value } : {};
  };
  return { message: error.message, ...text('code'), ...text('detail') };
}
