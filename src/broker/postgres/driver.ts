/**
 * The `pg` package as far as we use it, loaded on first use (an optional peer). Structural types, so that nobody
 * needs `@types/pg` to compile against celeriac.
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

/** Whether a pooler (PgBouncer) between us and the server takes no settings at the login. */
export function refusesSettings(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/.test(error.message);
}

/** Whether a driver's error says "the connection is gone (or cannot be had now)". */
export function isGone(error: unknown): boolean {
  if (!(error instanceof Error) || refusesSettings(error)) return false;
  return GONE.test('code' in error ? String(error.code) : '') || GONE_TEXT.test(error.message);
}

/**
 * Not now: serialization failure, deadlock, lock timeout, cancelled (`statement_timeout`, `pg_cancel_backend`), read-only
 * (roles are changing), out of memory or room. Of 53, 53300 is a login that was refused.
 */
const LATER = /^(40001|40P01|55P03|57014|25006|53(?!300))/;

/** Whether the server undid the statement, and may well take it the next time: it is safe to send it again. */
export function isLater(error: unknown): boolean {
  return error instanceof Error && 'code' in error && LATER.test(String(error.code));
}

/** Whether a login was refused for now: the server is full, or starts up; or whether such an error is behind this one. */
export function isTurnedAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^(?:53300|57P03)$/.test(String(Reflect.get(error, 'code'))) || isTurnedAway(error.cause);
}

/** Whether the server that said so takes no writes: another connection may find the one that does. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, 'code') === '25006';
}

/** Whether a server that is gone was there: it said that it ends, starts up or is full, or ended a connection that stood. */
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

/** The reason a server turns a login away, in words; `undefined` for anything else. */
export function loginRefusal(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case '28P01':
    case '28000':
      return 'refused the login: check user and password';
    case '3D000':
      return 'has no such database: check the name at the end of the URL';
    default:
      // pg itself, before the server could say so.
      return error instanceof Error && /SASL|client password must be/.test(error.message)
        ? 'asks for a password: put one into the URL'
        : undefined;
  }
}
