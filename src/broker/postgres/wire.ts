/**
 * What PostgreSQL and PGlite have in common, seen from below: a way to run SQL and a way to hear notices.
 * `pg-engine` builds the Engine port on it; `postgres` and `embedded` each provide one.
 */
import type { EngineKind } from '../broker.js';

/** A row as the driver hands it over; jsonb is parsed, bigint may be a text. */
export type PgRow = Record<string, unknown>;

export interface PgResult {
  readonly rows: PgRow[];
  readonly rowCount: number;
}

/** Runs one statement (many, without parameters). Driver errors come through with their SQLSTATE in `code`. */
export type PgQuery = (text: string, params?: readonly unknown[]) => Promise<PgResult>;

/** NOTIFY as it arrives. */
export type NoticeHandler = (payload: string) => void;

export interface Notice {
  readonly channel: string;
  readonly payload: string;
}

/** The one place of a process where notices arrive. */
export interface PgNotices {
  /** Resolves once every later notice on `channel` reaches `handler`. */
  listen(channel: string, handler: NoticeHandler): Promise<void>;
  /** Idempotent; the channel itself is left a little later, when nobody else wants it. */
  unlisten(channel: string, handler: NoticeHandler): void;
  /** Called when notices may have been missed. Returns the way out. */
  onGap(listener: () => void): () => void;
  send(notices: readonly Notice[]): Promise<void>;
}

export interface PgWire {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess: boolean;
  /** Whether the schema is made on first use without asking (embedded engines own their data). */
  readonly ownsSchema: boolean;
  /** First contact: loads the driver, connects, checks what can be checked. Idempotent. */
  open(): Promise<void>;
  /** Fails fast while the connection is away. */
  readonly calls: PgQuery;
  /** Waits for the connection to return. */
  readonly patient: PgQuery;
  /** Runs `body` on one session that nobody else uses meanwhile. */
  session<R>(body: (query: PgQuery) => Promise<R>): Promise<R>;
  readonly notices: PgNotices;
  isUnavailable(error: unknown): boolean;
  close(): Promise<void>;
}
