/**
 * The embedded engine: PostgreSQL in this process (PGlite), lost with the process (`memory://`) or kept in a folder
 * (`file://`). All apps of the process share one database per name or folder; each app has its own schema.
 *
 * A folder survives the end of the process, SIGKILL included: committed data is in the write-ahead log when the
 * call returns. PGlite does not fsync, so a crash of the machine may lose the last seconds.
 */
import { resolve } from 'node:path';
import { BrokerError, CeleriacError } from '../../errors.js';
import { processWide } from '../../process-wide.js';
import { VERSION } from '../../version.js';
import type { Engine, EngineConfig } from '../broker.js';
import { PgEngine } from '../postgres/broker.js';
import { isMigrated, schemaOf } from '../postgres/schema.js';
import type { NoticeHandler, PgNotices, PgQuery, PgWire } from '../postgres/wire.js';
import { openEmbeddedFolder } from './folder.js';
import { PglitePool } from './pool.js';
import { adoptTemplate, TEMPLATE_SCHEMA } from './template.js';

export type EmbeddedTarget =
  | { readonly kind: 'memory'; readonly name?: string }
  | { readonly kind: 'file'; readonly dir: string };

/** Opens an embedded engine; the database starts at the first call. */
export function openEmbedded(config: EngineConfig, target: EmbeddedTarget): Engine {
  const schema = schemaOf(config.prefix);
  return new PgEngine(new EmbeddedWire(target, schema), schema, config);
}

interface Database {
  readonly pool: PglitePool;
  close(): Promise<void>;
}

/** A database and the number of engines that use it. */
interface Shared {
  readonly database: Promise<Database>;
  users: number;
  /** Resolves when the last user has closed and the folder is free again. */
  closing?: Promise<void>;
}

// Outlives an app, since databases are shared by name within the process, by all copies of this version.
const databases = processWide(`databases ${VERSION}`, () => new Map<string, Shared>());

class EmbeddedWire implements PgWire {
  readonly kind = 'embedded';
  readonly oneProcess = true;
  readonly ownsSchema = true;
  readonly address: string;
  readonly notices: PgNotices;
  readonly #key: string;
  #shared: Promise<Shared> | undefined;
  #pool: PglitePool | undefined;

  constructor(
    private readonly target: EmbeddedTarget,
    private readonly schema: string,
  ) {
    this.address = target.kind === 'file' ? `file://${resolve(target.dir)}` : `memory://${target.name ?? ''}`;
    // A memory database without a name is never shared.
    this.#key = this.address === 'memory://' ? `memory://#${crypto.randomUUID()}` : this.address;
    this.notices = {
      listen: async (channel: string, handler: NoticeHandler) =>
        (await this.#opened()).listen(channel, handler),
      unlisten: (channel, handler) => this.#pool?.unlisten(channel, handler),
      onGap: () => () => undefined,
      send: async (batch) => (await this.#opened()).send(batch),
    };
  }

  async open(): Promise<void> {
    const pool = await this.#opened();
    await pool.session(this.schema, (query) => adopt(query, this.schema));
  }

  readonly calls: PgQuery = async (text, params) => (await this.#opened()).query(this.schema)(text, params);

  readonly patient: PgQuery = this.calls;

  async session<R>(body: (query: PgQuery) => Promise<R>): Promise<R> {
    return (await this.#opened()).session(this.schema, body);
  }

  /** Always false: a database in this process is never unreachable. */
  isUnavailable(): boolean {
    return false;
  }

  async close(): Promise<void> {
    const shared = await this.#shared?.catch(() => undefined); // the caller that opened it got the error
    this.#shared = undefined;
    if (shared !== undefined) await leave(this.#key, shared);
  }

  async #opened(): Promise<PglitePool> {
    this.#shared ??= enter(this.#key, () => start(this.target)).catch((error: unknown) => {
      this.#shared = undefined;
      throw startFailure(error, this.address);
    });
    const { pool } = await (await this.#shared).database;
    this.#pool = pool;
    return pool;
  }
}

async function enter(key: string, begin: () => Promise<Database>): Promise<Shared> {
  for (let old = databases.get(key); old?.closing !== undefined; old = databases.get(key)) await old.closing;
  const shared = databases.get(key) ?? { database: begin(), users: 0 };
  databases.set(key, shared);
  shared.users++;
  try {
    await shared.database;
    return shared;
  } catch (error) {
    if (databases.get(key) === shared) databases.delete(key);
    throw error;
  }
}

async function leave(key: string, shared: Shared): Promise<void> {
  if (--shared.users > 0) return;
  shared.closing = shared.database.then((database) => database.close()).finally(() => databases.delete(key));
  await shared.closing;
}

async function start(target: EmbeddedTarget): Promise<Database> {
  if (target.kind === 'memory') {
    const pool = await PglitePool.open(undefined, true);
    return { pool, close: () => pool.close() };
  }
  const folder = await openEmbeddedFolder(target.dir);
  let pool: PglitePool | undefined;
  try {
    pool = await PglitePool.open(folder.data, folder.fresh);
    folder.finish();
    await releaseOrphans(pool);
  } catch (error) {
    // The lock must be released only after the last write into the folder.
    await pool?.close();
    folder.unlock();
    throw error;
  }
  const opened = pool;
  return { pool: opened, close: () => opened.close().finally(folder.unlock) };
}

/** Ends the locks of running jobs. Safe: the process that ran them is gone, or the folder would be locked. */
async function releaseOrphans(pool: PglitePool): Promise<void> {
  await pool.session('public', async (query) => {
    const { rows } = await query(
      "SELECT quote_ident(schemaname) AS name FROM pg_tables WHERE tablename = 'job'",
    );
    for (const { name } of rows) {
      await query(`UPDATE ${String(name)}.job SET locked_until_ms = 0 WHERE state = 'active'`);
    }
  });
}

/** Renames the template's schema for the first app of a new database. */
async function adopt(query: PgQuery, schema: string): Promise<void> {
  const { rows } = await query('SELECT to_regnamespace($1) AS template, to_regnamespace($2) AS own', [
    TEMPLATE_SCHEMA,
    `"${schema}"`,
  ]);
  if (rows[0]?.['template'] == null || rows[0]['own'] != null) return;
  if (await isMigrated(query, TEMPLATE_SCHEMA)) await query(adoptTemplate(schema));
}

function startFailure(error: unknown, address: string): CeleriacError {
  if (error instanceof CeleriacError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new BrokerError(`The embedded broker ${address} cannot be opened: ${text}`, { cause: error });
}
