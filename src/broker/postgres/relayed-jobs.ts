/**
 * The RelayedJobs port on PostgreSQL and PGlite: marks are records, written in one transaction with the jobs. BullMQ's
 * backend is made once, and runs on the session of the transaction under way, so additions take turns.
 */
import { createPostgresBackend, type IQueueBackend } from 'bullmq';
import { addFlow } from '../add-flow.js';
import { MARK_MS, RELEASED_MARK_MS, type RelayedCall, type RelayedJobs } from '../relayed-jobs.js';
import { BullmqPool } from './bullmq-pool.js';
import type { PgNotices, PgQuery } from './wire.js';

const AFTER_MS = "now() + $2::double precision * interval '1 millisecond'";

const MARK = `
INSERT INTO celeriac_record AS r (key, value, version, expire_at)
SELECT m, '', 1, ${AFTER_MS} FROM unnest($1::text[]) AS m ORDER BY m
ON CONFLICT (key) DO UPDATE SET version = r.version + 1, expire_at = excluded.expire_at WHERE r.expire_at <= now()
RETURNING key`;

const SEEN = 'SELECT key FROM celeriac_record WHERE key = ANY($1::text[]) AND expire_at > now()';

const RELEASE = `UPDATE celeriac_record SET expire_at = ${AFTER_MS} WHERE key = ANY($1::text[])`;

export interface PgRelayedJobsParts {
  /** Runs one statement. */
  readonly query: PgQuery;
  /** Runs a body on one session that has no other user meanwhile. */
  readonly session: <R>(body: (query: PgQuery) => Promise<R>) => Promise<R>;
  readonly notices: PgNotices;
  /** Notes queues as in use. */
  note(queues: readonly string[]): Promise<void>;
}

export class PgRelayedJobs implements RelayedJobs {
  #turn: Promise<unknown> = Promise.resolve();
  /** Runs statements on the session of the transaction under way. */
  #current: PgQuery;
  #backend: Promise<IQueueBackend> | undefined;

  constructor(private readonly parts: PgRelayedJobsParts) {
    this.#current = parts.query;
  }

  add(calls: readonly RelayedCall[]): Promise<void> {
    const turn = this.#turn.then(() => this.#add(calls));
    this.#turn = turn.catch(() => undefined); // its caller gets the error
    return turn;
  }

  async seen(marks: readonly string[]): Promise<boolean[]> {
    if (marks.length === 0) return [];
    const { rows } = await this.parts.query(SEEN, [marks.map(keyOf)]);
    const found = new Set(rows.map(({ key }) => key));
    return marks.map((mark) => found.has(keyOf(mark)));
  }

  async release(marks: readonly string[]): Promise<void> {
    if (marks.length > 0) await this.parts.query(RELEASE, [marks.map(keyOf), RELEASED_MARK_MS]);
  }

  async #add(calls: readonly RelayedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.parts.note([...new Set(calls.flatMap(({ jobs }) => jobs.map(({ queue }) => queue)))]);
    const backend = await this.#prepared();
    try {
      await this.parts.session(async (query) => {
        this.#current = query;
        await query('BEGIN');
        try {
          const { rows } = await query(MARK, [calls.map(({ mark }) => keyOf(mark)), MARK_MS]);
          const fresh = new Set(rows.map(({ key }) => key));
          const jobs = calls.filter(({ mark }) => fresh.has(keyOf(mark))).flatMap((call) => call.jobs);
          if (jobs.length > 0) await addFlow(backend, '', jobs);
          await query('COMMIT');
        } catch (error) {
          await query('ROLLBACK').catch(() => undefined); // the connection broke: there is nothing to undo
          throw error;
        }
      });
    } finally {
      this.#current = this.parts.query;
    }
  }

  #prepared(): Promise<IQueueBackend> {
    this.#backend ??= this.#prepare().catch((error: unknown) => {
      this.#backend = undefined;
      throw error;
    });
    return this.#backend;
  }

  async #prepare(): Promise<IQueueBackend> {
    const pool: unknown = new BullmqPool(
      (text, params) => this.#current(text, params),
      this.parts.notices,
      '',
    );
    const backend = createPostgresBackend('celeriac', { connection: pool as never });
    // The wire reports connection errors; without a listener BullMQ would throw them as uncaught exceptions.
    backend.on('error', () => undefined);
    await backend.waitUntilReady();
    return backend;
  }
}

function keyOf(mark: string): string {
  return `relayed:${mark}`;
}
