/**
 * The table `celeriac_outbox` in the user's database, and every statement on it. One table serves all apps of the
 * database. A row is one call: it waits (0) until a relay has sent it, then is removed or kept for a while (1); a row that
 * cannot be sent is set aside (2), and then waits for people only.
 */
import { createHash } from 'node:crypto';
import { literal } from '../../broker/postgres/literal.js';
import { HAS_WRITTEN, sqlStateOf } from '../../broker/postgres/transaction.js';
import type { PgQuery, PgRow, PgWire } from '../../broker/postgres/wire.js';
import { BrokerError } from '../../errors.js';
import type { OutboxCounts } from './entry.js';

/** The format of the column `calls`. A relay leaves rows of a later format to later relays. */
export const FORMAT = 1;

/** A call that waits to be relayed. */
export interface OutboxRow {
  readonly id: string;
  /** Known to nobody else: the mark of its jobs in the broker. */
  readonly key: string;
  readonly calls: string;
}

/** A call that could not be relayed. */
export interface AsideRow extends OutboxRow {
  readonly calledAt: Date;
  readonly setAsideAt: Date;
  readonly reason: string;
}

const WAITS = 0;
const RELAYED = 1;
const ASIDE = 2;

// Run again by every migration, while callers and relays run: each statement does nothing where it is done already.
const MIGRATION = `
CREATE TABLE IF NOT EXISTS celeriac_outbox (
  state smallint NOT NULL DEFAULT ${WAITS},
  app text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  key text NOT NULL,
  format smallint NOT NULL,
  calls text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  reason text,
  PRIMARY KEY (state, app, id)
)`;

/** The channel on which the relays of an app hear of new rows. */
export function channelOf(app: string): string {
  if (app !== last.app)
    last = { app, channel: `celeriac_outbox_${createHash('sha1').update(app).digest('hex').slice(0, 16)}` };
  return last.channel;
}

/** The channel of the last app: a process has one or two, and each call asks. */
let last = { app: '', channel: '' };

/** A call that is written down. */
export interface NewRow {
  /** The mark of its jobs in the broker. */
  readonly key: string;
  readonly calls: string;
}

/**
 * One statement that writes calls down, and notifies the relays at the commit. It gives a row, unless the transaction has
 * not written before: then it does nothing.
 * @param avoid see `literal`
 */
export function insertion(app: string, rows: readonly NewRow[], avoid = ''): string {
  const text = (value: string) => literal(value, avoid);
  const values = rows.map(({ key, calls }) => `(${text(app)}, ${text(key)}, ${FORMAT}, ${text(calls)})`);
  return (
    'INSERT INTO celeriac_outbox (app, key, format, calls) ' +
    `SELECT * FROM (VALUES ${values.join(', ')}) AS given WHERE ${HAS_WRITTEN} ` +
    `RETURNING pg_notify(${text(channelOf(app))}, '')::text AS noted`
  );
}

export class OutboxTable {
  constructor(
    private readonly database: PgWire,
    private readonly app: string,
  ) {}

  /** Creates the table, or does nothing, and then needs no rights for it. */
  async migrate(): Promise<void> {
    if (await this.isMigrated()) return;
    await this.database.session(async (query) => {
      // Without the lock, CREATE ... IF NOT EXISTS of two processes at once would fail in one of them.
      await query('BEGIN');
      await query("SELECT pg_advisory_xact_lock(hashtext('celeriac_outbox'))");
      await query(MIGRATION);
      await query('COMMIT');
    });
  }

  async isMigrated(): Promise<boolean> {
    const { rows } = await this.database.calls("SELECT to_regclass('celeriac_outbox')::text AS found");
    return rows[0]?.['found'] != null;
  }

  /**
   * Gives up to `limit` waiting rows to `relay`, which no other relay gets meanwhile, and ends each as it says.
   * @param keptMs how long relayed rows are kept; 0: they are removed
   * @returns the number of rows
   */
  async relay(
    limit: number,
    keptMs: number,
    relay: (rows: readonly OutboxRow[]) => Promise<Ends>,
  ): Promise<number> {
    return this.database.session(async (query) => {
      const rows = await this.#take(query, limit);
      if (rows.length === 0) {
        await query('ROLLBACK');
        return 0;
      }
      // A failure ends the session, and with it the transaction: the rows wait again.
      const ends = await relay(rows);
      const sent = rows.filter(({ id }) => !ends.has(id)).map(({ id }) => id);
      await query(`${this.#ended(sent, keptMs)}${this.#aside(ends)}COMMIT`);
      return rows.length;
    });
  }

  async #take(query: PgQuery, limit: number): Promise<OutboxRow[]> {
    const { rows } = await query(
      // Frees the rows of a relay that is frozen, or whose host is gone.
      `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${MOST_IDLE_MS}; ` +
        'SELECT id::text AS id, key, calls FROM celeriac_outbox ' +
        `WHERE state = ${WAITS} AND app = ${literal(this.app)} AND format <= ${FORMAT} ` +
        `ORDER BY id LIMIT ${limit} FOR UPDATE SKIP LOCKED`,
    );
    return rows.map(rowOf);
  }

  #ended(ids: readonly string[], keptMs: number): string {
    if (ids.length === 0) return '';
    const which = this.#which(WAITS, ids);
    return keptMs > 0
      ? `UPDATE celeriac_outbox SET state = ${RELAYED}, ended_at = clock_timestamp() WHERE ${which}; `
      : `DELETE FROM celeriac_outbox WHERE ${which}; `;
  }

  #aside(ends: Ends): string {
    return [...ends]
      .map(
        ([id, reason]) =>
          `UPDATE celeriac_outbox SET state = ${ASIDE}, ended_at = clock_timestamp(), ` +
          `reason = ${literal(plain(reason))} WHERE ${this.#which(WAITS, [id])}; `,
      )
      .join('');
  }

  async counts(): Promise<OutboxCounts> {
    const { rows } = await this.#asked(
      `SELECT (SELECT count(*) FROM celeriac_outbox WHERE state = ${WAITS} AND app = $1) AS waiting, ` +
        `(SELECT count(*) FROM celeriac_outbox WHERE state = ${ASIDE} AND app = $1) AS aside, ` +
        '(SELECT extract(epoch FROM clock_timestamp() - created_at) * 1000 FROM celeriac_outbox ' +
        `WHERE state = ${WAITS} AND app = $1 ORDER BY id LIMIT 1) AS oldest`,
      [this.app],
    );
    const [row] = rows;
    return {
      waiting: Number(row?.['waiting'] ?? 0),
      setAside: Number(row?.['aside'] ?? 0),
      oldestMs: Math.max(0, Math.round(Number(row?.['oldest'] ?? 0))),
    };
  }

  /** The rows that were set aside, oldest first. */
  async setAside(limit: number): Promise<AsideRow[]> {
    const { rows } = await this.#asked(
      'SELECT id::text AS id, key, calls, created_at AS called, ended_at AS ended, reason FROM celeriac_outbox ' +
        `WHERE state = ${ASIDE} AND app = $1 ORDER BY id LIMIT $2`,
      [this.app, limit],
    );
    return rows.map((row) => ({
      ...rowOf(row),
      calledAt: new Date(row['called'] as Date | string),
      setAsideAt: new Date(row['ended'] as Date | string),
      reason: String(row['reason']),
    }));
  }

  /** Lets rows that were set aside wait again. @returns their ids */
  async retry(ids: readonly string[] | 'all'): Promise<string[]> {
    const { rows } = await this.#asked(
      `UPDATE celeriac_outbox SET state = ${WAITS}, ended_at = NULL, reason = NULL ` +
        `WHERE state = ${ASIDE} AND app = $1 AND ($2::text[] IS NULL OR id::text = ANY($2::text[])) ` +
        "RETURNING id::text AS id, pg_notify($3, '')::text AS noted",
      [this.app, ids === 'all' ? null : ids, channelOf(this.app)],
    );
    return rows.map(({ id }) => String(id));
  }

  /** Removes rows that were relayed longer than `keptMs` ago, `limit` at most. @returns how many */
  async dropKept(keptMs: number, limit: number): Promise<number> {
    const { rowCount } = await this.#asked(
      `DELETE FROM celeriac_outbox WHERE state = ${RELAYED} AND app = $1 AND id IN (` +
        `SELECT id FROM celeriac_outbox WHERE state = ${RELAYED} AND app = $1 ` +
        "AND ended_at < clock_timestamp() - $2::double precision * interval '1 millisecond' " +
        'ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)',
      [this.app, keptMs, limit],
    );
    return rowCount;
  }

  async #asked(text: string, params: readonly unknown[]) {
    return this.database.calls(text, params).catch((error: unknown) => {
      throw withAdvice(error, this.database.address);
    });
  }

  #which(state: number, ids: readonly string[]): string {
    return `state = ${state} AND app = ${literal(this.app)} AND id IN (${ids.join(', ')})`;
  }
}

/** Why rows are set aside, by their ids. Rows that are not in it were relayed. */
export type Ends = ReadonlyMap<string, string>;

/** How long a relay may keep rows without a sign of life, ms. */
const MOST_IDLE_MS = 60_000;

/** An error of the database in our words, where there is something to do about it. */
export function withAdvice(error: unknown, address: string): unknown {
  if (sqlStateOf(error) !== '42P01') return error;
  return new BrokerError(
    `There is no table celeriac_outbox at ${address}, or not in the schemas that the connection looks in. ` +
      'Run `celeriac migrate --outbox` once.',
    { cause: error },
  );
}

/** A reason that PostgreSQL can store. */
function plain(reason: string): string {
  return reason.replaceAll('\0', '').toWellFormed().slice(0, 2_000);
}

function rowOf(row: PgRow): OutboxRow {
  return { id: String(row['id']), key: String(row['key']), calls: String(row['calls']) };
}
