/**
 * The port under the PostgreSQL and embedded engines: a way to run SQL and a way to receive notices. `postgres/broker`
 * builds the Engine port on it; `postgres/server` and `embedded/broker` each implement it.
 */
import type { EngineKind } from '../broker.js';

/** A row as the driver returns it; jsonb is parsed, bigint may be a string. */
export type PgRow = Record<string, unknown>;

export interface PgResult {
  readonly rows: PgRow[];
  readonly rowCount: number;
}

/** Runs one statement, or several if there are no parameters. Driver errors keep their SQLSTATE in `code`. */
export type PgQuery = (text: string, params?: readonly unknown[]) => Promise<PgResult>;

/** Called with the payload of each NOTIFY. */
export type NoticeHandler = (payload: string) => void;

export interface Notice {
  readonly channel: string;
  readonly payload: string;
}

/** Sends and receives the notices of a process. */
export interface PgNotices {
  /** Resolves once every later notice on `channel` reaches `handler`. */
  listen(channel: string, handler: NoticeHandler): Promise<void>;
  /** Idempotent. The channel itself is left a little later, unless other handlers remain. */
  unlisten(channel: string, handler: NoticeHandler): void;
  /** Calls `listener` when notices may have been missed. @returns a function that stops it */
  onGap(listener: () => void): () => void;
  send(notices: readonly Notice[]): Promise<void>;
}

/** A connected database. */
export interface PgWire {
  readonly kind: EngineKind;
  readonly address: string;
  readonly oneProcess: boolean;
  /** Whether the schema is always created on first use (embedded engines own their data). */
  readonly ownsSchema: boolean;
  /** Loads the driver, connects and checks the connection. Idempotent. */
  open(): Promise<void>;
  /** Fails fast while the connection is lost. */
  readonly calls: PgQuery;
  /** Waits for the connection to return. */
  readonly patient: PgQuery;
  /** Runs `body` on one session that has no other user meanwhile. */
  session<R>(body: (query: PgQuery) => Promise<R>): Promise<R>;
  readonly notices: PgNotices;
  /** How many statements were answered; absent where the database cannot be away. */
  answers?(): number;
  isUnavailable(error: unknown): boolean;
  close(): Promise<void>;
}
