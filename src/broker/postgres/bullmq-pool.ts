/**
 * The pool that BullMQ's Postgres backend gets: it looks like a pg.Pool, but its clients are virtual. The engine decides
 * how statements run (failing fast or waiting), and all LISTENs share the process's one listening connection. With a real
 * pool BullMQ would open one for every worker.
 */
import { EventEmitter } from 'node:events';
import { type BackendFactory, createPostgresBackend, type IQueueBackend } from 'bullmq';
import { keepOrder } from '../../key-order.js';
import { EVENTS_BACK, LARGEST_EVENT } from '../large-results.js';
import type { NoticeHandler, PgNotices, PgQuery, PgResult } from './wire.js';

/** BullMQ's readiness check names its default schema. Without the name, our sessions' search_path selects the schema. */
const DEFAULT_SCHEMA_LEDGER = '"bullmq".migration';
/** Matches a LISTEN. BullMQ writes comment lines before it. */
const LISTEN = /^(?:\s*--[^\n]*\n)*\s*LISTEN\s+"?(\w+)"?/i;

const PROGRESS = /\bupdate_progress\(/;
/** The position of the progress among such a statement's parameters: after queue and job. */
const PROGRESS_VALUE = 2;

const COMPLETES = /\bmove_to_completed(_fetch)?\(/;
/** The position of the result among such a statement's parameters: after queue, job and token. */
const COMPLETED_VALUE = 3;
const COMPLETED_JOB = 1;
// Removes a large result from the events (see `large-results`). Compares the stored size, which needs no unpacking.
const TAKE_OUT = `
DELETE FROM event
 WHERE queue = $1 AND event = 'completed' AND data ->> 'jobId' = $2 AND pg_column_size(data) > ${LARGEST_EVENT}
   AND id IN (SELECT id FROM event WHERE queue = $1 ORDER BY id DESC LIMIT ${EVENTS_BACK})`;

export class BullmqPool extends EventEmitter {
  /** BullMQ reads `keepAlive` as: a half-open connection is detected, so it need not poll. */
  readonly options = { keepAlive: true, max: 10 };

  constructor(
    private readonly run: PgQuery,
    readonly notices: PgNotices,
    /** The queue's name: the payload of the notices that wake up its clients after a gap. */
    private readonly queue: string,
  ) {
    super();
    this.setMaxListeners(0);
  }

  query(text: string, params?: readonly unknown[]): Promise<PgResult> {
    const given = PROGRESS.test(text) ? withOrderedMeta(params) : params;
    const answer = this.run(text.replace(DEFAULT_SCHEMA_LEDGER, 'migration'), given);
    const value = params?.[COMPLETED_VALUE];
    if (typeof value !== 'string' || value.length <= LARGEST_EVENT || !COMPLETES.test(text)) return answer;
    return answer.then((completed) => {
      // Best effort: BullMQ trims an event that stays.
      this.run(TAKE_OUT, [this.queue, params?.[COMPLETED_JOB]]).catch(() => undefined);
      return completed;
    });
  }

  async connect(): Promise<VirtualClient> {
    return new VirtualClient(this, this.queue);
  }

  /** The same statements and notices for another queue. */
  forQueue(queue: string): BullmqPool {
    return new BullmqPool(this.run, this.notices, queue);
  }

  /** Does nothing: BullMQ never ends a pool that it was given, and the engine ends the real one. */
  async end(): Promise<void> {}
}

class VirtualClient extends EventEmitter {
  readonly #handlers = new Map<string, NoticeHandler>();
  readonly #leaveGaps: () => void;

  constructor(
    private readonly pool: BullmqPool,
    queue: string,
  ) {
    super();
    this.setMaxListeners(0);
    this.#leaveGaps = pool.notices.onGap(() => {
      // A notice may have been missed: wake up all waiters as if one had come.
      for (const channel of this.#handlers.keys()) this.emit('notification', { channel, payload: queue });
    });
  }

  async query(text: string, params?: readonly unknown[]): Promise<PgResult> {
    const channel = LISTEN.exec(text)?.[1];
    if (channel !== undefined) return this.#listen(channel);
    // BullMQ names its connection for pg_stat_activity; a virtual client has no connection.
    if (text.includes("set_config('application_name'")) return NOTHING;
    return this.pool.query(text, params);
  }

  release(): void {
    this.#leaveGaps();
    for (const [channel, handler] of this.#handlers) this.pool.notices.unlisten(channel, handler);
    this.#handlers.clear();
  }

  async #listen(channel: string): Promise<PgResult> {
    if (this.#handlers.has(channel)) return NOTHING;
    const handler: NoticeHandler = (payload) => this.emit('notification', { channel, payload });
    this.#handlers.set(channel, handler);
    try {
      await this.pool.notices.listen(channel, handler);
    } catch (error) {
      this.#handlers.delete(channel);
      throw error;
    }
    return NOTHING;
  }
}

const NOTHING: PgResult = { rows: [], rowCount: 0 };

/** Keeps the order of the keys of `meta` in a progress `{ state, meta }`, which jsonb would sort. */
function withOrderedMeta(params: readonly unknown[] | undefined): readonly unknown[] | undefined {
  const text = params?.[PROGRESS_VALUE];
  if (params === undefined || typeof text !== 'string' || !text.includes('"meta":')) return params;
  const progress = JSON.parse(text) as { readonly meta: unknown };
  const kept = JSON.stringify({ ...progress, meta: keepOrder(progress.meta) });
  return [...params.slice(0, PROGRESS_VALUE), kept, ...params.slice(PROGRESS_VALUE + 1)];
}

/** BullMQ's Postgres backend on a {@link BullmqPool}: the factory for Queue, Worker and friends. */
export const bullmqPoolBackend: BackendFactory<IQueueBackend, never> = (name, opts, parts) => {
  const pool: unknown = opts.connection;
  const connection = pool instanceof BullmqPool ? pool.forQueue(name) : pool;
  return createPostgresBackend(name, { ...opts, connection: connection as never }, parts);
};
