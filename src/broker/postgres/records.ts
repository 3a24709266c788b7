/**
 * The Records port on PostgreSQL and PGlite: one row per record, one statement per call, on the server's clock. An expired
 * row counts as absent everywhere. Bounded batches of such rows are removed when records are created, and by a janitor.
 * Writes return a row for each row written, since not every library tells how many there were (see `transaction`).
 */
import type { Records, StoredRecord } from '../broker.js';
import { storedKey } from './stored-key.js';
import type { PgQuery } from './wire.js';

const ALIVE = '(r.expire_at IS NULL OR r.expire_at > now())';
const EXPIRY = "now() + $3::double precision * interval '1 millisecond'";

// Reuses an expired row. Its version keeps rising, so that a process which knows the old record cannot replace this one.
const CREATE = `
INSERT INTO celeriac_record AS r (key, value, version, expire_at) VALUES ($1, $2, 1, ${EXPIRY})
ON CONFLICT (key) DO UPDATE
  SET value = excluded.value, version = r.version + 1, expire_at = excluded.expire_at
  WHERE r.expire_at <= now()
RETURNING true AS done`;

const READ = `SELECT r.key, r.value, r.version FROM celeriac_record r WHERE r.key = ANY($1::text[]) AND ${ALIVE}`;

const REPLACE = `
UPDATE celeriac_record r SET value = $2, version = r.version + 1, expire_at = ${EXPIRY}
 WHERE r.key = $1 AND r.version = $4::bigint AND ${ALIVE} RETURNING true AS done`;

const REMOVE = `
DELETE FROM celeriac_record r WHERE r.key = $1 AND ($2::bigint IS NULL OR r.version = $2::bigint) AND ${ALIVE}
RETURNING true AS done`;

const RECLAIM_BATCH = 500;
const RECLAIM_EVERY_MS = 10_000;
const RECLAIM = `
DELETE FROM celeriac_record WHERE key IN (
  SELECT key FROM celeriac_record WHERE expire_at <= now() ORDER BY expire_at LIMIT $1
  FOR UPDATE SKIP LOCKED)`;

export class PgRecords implements Records {
  #reclaimAt = 0;

  constructor(
    private readonly query: PgQuery,
    /** Whether `create` removes expired rows now and then. */
    private readonly tidies = true,
  ) {}

  async create(key: string, value: string, ttlMs?: number): Promise<boolean> {
    const { rowCount } = await this.query(CREATE, [storedKey(key), value, ttlMs ?? null]);
    if (this.tidies) this.#reclaim();
    return rowCount === 1;
  }

  async read(keys: readonly string[]): Promise<(StoredRecord | undefined)[]> {
    if (keys.length === 0) return [];
    const stored = keys.map(storedKey);
    const { rows } = await this.query(READ, [stored]);
    const found = new Map(
      rows.map((row) => [String(row.key), { value: String(row.value), version: Number(row.version) }]),
    );
    return stored.map((key) => found.get(key));
  }

  async replace(key: string, version: number, value: string, ttlMs?: number): Promise<boolean> {
    return (await this.query(REPLACE, [storedKey(key), value, ttlMs ?? null, version])).rowCount === 1;
  }

  async remove(key: string, version?: number): Promise<boolean> {
    return (await this.query(REMOVE, [storedKey(key), version ?? null])).rowCount === 1;
  }

  /** Removes up to `rows` expired records. @returns whether more may be left */
  async reclaim(rows: number): Promise<boolean> {
    return (await this.query(RECLAIM, [rows])).rowCount >= rows;
  }

  /** Removes expired rows in the background. After a failure the next round does it: the rows count as absent anyway. */
  #reclaim(): void {
    const now = performance.now();
    if (now < this.#reclaimAt) return;
    this.#reclaimAt = now + RECLAIM_EVERY_MS;
    this.reclaim(RECLAIM_BATCH).then(
      (more) => {
        if (more) this.#reclaimAt = 0;
      },
      () => undefined, // the next round does it
    );
  }
}
