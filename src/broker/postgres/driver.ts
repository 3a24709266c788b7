/**
 * The `pg` package as far as we use it, an optional peer that is loaded on first use. The types are structural, so that
 * users need no `@types/pg` to compile against celeriac.
 */
import { OptionError } from '../../errors.js';
import { loadPeer } from '../../package-loading.js';
import pg from './pg.cjs';

export interface PgClient {
  connect(): Promise<unknown>;
  query(text: string, params?: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
  end(): Promise<void>;
  ref?(): void;
  unref?(): void;
  on(event: 'error' | 'end', listener: (error: Error) => void): unknown;
  on(
    event: 'notification',
    listener: (notice: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  off?(event: 'error', listener: (error: Error) => void): unknown;
}

export interface PgPooledClient extends PgClient {
  release(destroy?: boolean): void;
}

/** A `pg.Pool`. */
export interface PgPool {
  connect(): Promise<PgPooledClient>;
  query(text: string, params?: unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'connect', listener: (client: PgClient) => void): unknown;
  off(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'connect', listener: (client: PgClient) => void): unknown;
}

export interface PgDriver {
  readonly Pool: new (config: Record<string, unknown>) => PgPool;
  readonly Client: new (config: Record<string, unknown>) => PgClient;
}

/** @throws {OptionError} when `pg` is not installed */
export async function loadPg(): Promise<PgDriver> {
  try {
    return loadPeer('pg', pg.load) as PgDriver;
  } catch (error) {
    throw new OptionError('A postgres:// broker needs the "pg" package. Run: npm install pg', {
      cause: error,
    });
  }
}

const GONE =
  /^(ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ETIMEDOUT|ENOENT$|08|57P0|53300$)/;
const GONE_TEXT =
  /Connection terminated|timeout expired|timeout exceeded|not queryable|Connection is closed|socket hang up/i;

/** Whether the error comes from a pooler (PgBouncer) that accepts no settings at the login. */
export function refusesSettings(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/.test(error.message);
}

/** Whether a driver's error shows that the connection is lost or cannot be made now. */
export function isGone(error: unknown): boolean {
  if (!(error instanceof Error) || refusesSettings(error)) return false;
  return GONE.test('code' in error ? String(error.code) : '') || GONE_TEXT.test(error.message);
}

/**
 * SQLSTATEs of passing refusals: serialization failure, deadlock, lock timeout, cancelled (`statement_timeout`,
 * `pg_cancel_backend`), read-only (roles are changing), out of memory or disk. 53300 is excluded: it refuses a login.
 */
const LATER = /^(40001|40P01|55P03|57014|25006|53(?!300))/;

/** Whether the server undid the statement and may accept it later, so that sending it again is safe. */
export function isLater(error: unknown): boolean {
  return error instanceof Error && 'code' in error && LATER.test(String(error.code));
}

/** Whether the error, or one of its causes, is a login refused for now: the server is full or starting. */
export function isTurnedAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^(?:53300|57P03)$/.test(String(Reflect.get(error, 'code'))) || isTurnedAway(error.cause);
}

/** Whether the server takes no writes: another connection may lead to the server that does. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === '25006';
}

/** Whether the error proves a server: one that is stopping, starting or full, or that closed an open connection. */
export function wasThere(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return (
    /^(?:57P0|53300$)/.test(code) ||
    isLater(error) ||
    /not queryable/.test(error.message) ||
    wasThere(error.cause)
  );
}

/** Why a server refuses a login, as text with advice; `undefined` for any other error. */
export function loginRefusal(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case '28P01':
    case '28000':
      return 'refused the login: check user and password';
    case '3D000':
      return 'has no such database: check the name at the end of the URL';
    default:
      // pg itself refuses before the server can.
      return error instanceof Error && /SASL|client password must be/.test(error.message)
        ? 'asks for a password: put one into the URL'
        : undefined;
  }
}
