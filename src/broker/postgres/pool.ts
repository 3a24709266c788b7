/**
 * Runs statements over one pg.Pool, failing fast or waiting. A second connection (`probe`) distinguishes a server that
 * stopped answering (a cut cable, a frozen host) from one that is merely slow: when the probe gets no answer either, all
 * statements in flight are given up at once.
 */
import { BrokerError, BrokerUnavailableError } from '../../errors.js';
import { type Cancel, every, sleep } from '../../timers.js';
import type { EngineConfig } from '../broker.js';
import {
  isGone,
  isLater,
  isReadOnly,
  isTurnedAway,
  loginRefusal,
  type PgClient,
  type PgPool,
  type PgPooledClient,
} from './driver.js';
import { PgProbe } from './probe.js';
import type { PgQuery, PgResult, PgRow } from './wire.js';

interface Flight {
  /** The number of watchdog checks when the flight began. */
  readonly since: number;
  /** Whether it waits for a connection, or for an answer on one. */
  readonly waitsFor: 'connection' | 'answer';
  giveUp(error: Error): void;
}

export interface PgStatementsParams {
  readonly pool: PgPool;
  readonly address: string;
  readonly config: EngineConfig;
  /** A client outside the pool, not yet connected, that gives up after `timeoutMs`. */
  readonly makeClient: (timeoutMs: number) => PgClient;
  /** Set behind a pooler, where connections cannot select the schema at login: each transaction selects it instead. */
  readonly schema?: string | undefined;
}

/** How long after an outage broken connections still belong to it, ms, and are not reported as another. */
const AFTERMATH_MS = 2_000;

/** Checks of the watchdog within `connectTimeoutMs`. */
const LOOKS = 8;
/** Checks without an answer before a probe: nearly half of them, since the first may come at once. */
const SILENT_LOOKS = 4;

/** Runs statements, detects outages and reports each once. */
export class PgStatements {
  readonly #flights = new Set<Flight>();
  /** One timer instead of one per statement: runs while anything is in flight, and stops at its first check after. */
  #watchdog: Cancel | undefined;
  #probing: Promise<void> | undefined;
  readonly #probe: PgProbe;
  /** Checks so far. Silence is measured in checks, since a busy event loop has not read answers. */
  #looks = 0;
  /** The number of checks at the last answer. */
  #answeredAt = 0;
  #answers = 0;
  #lostAt: number | undefined;
  #backAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(private readonly parts: PgStatementsParams) {
    this.#probe = new PgProbe(parts.makeClient, parts.config.connectTimeoutMs);
  }

  /**
   * Runs a statement, failing fast.
   * @throws {BrokerUnavailableError} at once when the connection is lost, within `connectTimeoutMs` when it is silent
   */
  readonly calls: PgQuery = async (text, params) => {
    const until = performance.now() + this.parts.config.connectTimeoutMs;
    for (let waitMs = 20; ; waitMs *= 2) {
      const client = await this.#checkoutBy(until);
      try {
        return await this.#run(client, text, params);
      } catch (error) {
        if (!isLater(error)) throw error;
        if (this.#closed || performance.now() + waitMs > until) throw this.#notNow(error);
      }
      await sleep(waitMs);
    }
  };

  /** Waits for a connection, and retries after passing refusals. A statement whose connection broke is not sent again. */
  readonly patient: PgQuery = async (text, params) => {
    for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      const client = await this.#patientCheckout();
      try {
        return await this.#run(client, text, params);
      } catch (error) {
        if (!isLater(error) || this.#closed) throw forBullmq(this.isUnavailable(error), error);
      }
      await sleep(waitMs, { ref: false });
    }
  };

  /** How many statements were answered. */
  get answers(): number {
    return this.#answers;
  }

  /** Runs `body` on one session of its own. */
  async session<R>(body: (query: PgQuery) => Promise<R>): Promise<R> {
    const client = await this.#checkoutBy(performance.now() + this.parts.config.connectTimeoutMs);
    let failed = true;
    const unguard = guard(client);
    try {
      const { schema } = this.parts;
      if (schema !== undefined)
        await this.#flight('answer', () => client.query(`SET search_path TO "${schema}"`));
      const result = await body(async (text, params) =>
        shape(await this.#flight('answer', () => send(client, text, params))),
      );
      failed = false;
      return result;
    } catch (error) {
      throw this.inOurWords(error);
    } finally {
      unguard();
      // A session that failed may be in the middle of a transaction.
      client.release(failed || this.parts.schema !== undefined);
    }
  }

  /** True if the same statement may succeed later. */
  isUnavailable(error: unknown): boolean {
    return error instanceof BrokerUnavailableError || isGone(error) || isLater(error);
  }

  /** Reports an outage once. Also called for the listening connection. */
  lost(error: unknown): void {
    const now = performance.now();
    if (this.#lostAt !== undefined || this.#closed || now - this.#backAt < AFTERMATH_MS) return;
    this.#lostAt = now;
    this.parts.config.onTrouble(`PostgreSQL at ${this.parts.address} does not answer`, error);
  }

  /** Reports the end of an outage, if there was one. */
  recovered(): void {
    if (this.#lostAt === undefined) return;
    this.#backAt = performance.now();
    const awayMs = Math.round(this.#backAt - this.#lostAt);
    this.#lostAt = undefined;
    this.parts.config.onRecovered(`PostgreSQL at ${this.parts.address} answers again`, awayMs);
  }

  close(): void {
    this.#closed = true;
    this.#watchdog?.();
    this.#probe.close();
    this.#abandon(
      new BrokerUnavailableError('The broker connection was closed.', { address: this.parts.address }),
    );
  }

  #checkout(): Promise<PgPooledClient> {
    return this.#flight<PgPooledClient>(
      'connection',
      () => this.parts.pool.connect(),
      (late) => late.release(),
    );
  }

  /** Retries until `until` while the server refuses the login for now. Safe, since no statement was sent yet. */
  async #checkoutBy(until: number): Promise<PgPooledClient> {
    for (let waitMs = 20; ; waitMs *= 2) {
      try {
        return await this.#checkout();
      } catch (error) {
        if (!isTurnedAway(error) || this.#closed || performance.now() + waitMs > until) throw error;
      }
      await sleep(waitMs);
    }
  }

  async #patientCheckout(): Promise<PgPooledClient> {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
      try {
        return await this.#checkout();
      } catch (error) {
        if (this.#closed || !this.isUnavailable(error)) throw error;
      }
      await sleep(waitMs, { ref: false });
    }
  }

  async #run(client: PgPooledClient, text: string, params?: readonly unknown[]): Promise<PgResult> {
    let broken = false;
    const unguard = guard(client);
    try {
      const { schema } = this.parts;
      const answer = () =>
        schema === undefined ? send(client, text, params) : sendInside(client, schema, text, params);
      const result = await this.#flight('answer', answer);
      this.recovered();
      return shape(result);
    } catch (error) {
      broken = error instanceof BrokerUnavailableError || isGone(error) || isReadOnly(error);
      throw error;
    } finally {
      unguard();
      client.release(broken);
    }
  }

  /** Runs a step that waits for the server and that the watchdog can give up. */
  #flight<R>(waitsFor: Flight['waitsFor'], start: () => Promise<R>, discard?: (late: R) => void): Promise<R> {
    if (this.#closed) return Promise.reject(this.#unavailable(undefined));
    return new Promise<R>((resolve, reject) => {
      let over = false;
      const end = () => {
        over = true;
        this.#flights.delete(flight);
      };
      const flight: Flight = {
        since: this.#looks,
        waitsFor,
        giveUp: (error) => {
          end();
          reject(error);
        },
      };
      this.#flights.add(flight);
      this.#watchdog ??= every(this.parts.config.connectTimeoutMs / LOOKS, () => this.#watch(), {
        ref: false,
      });
      start().then(
        (value) => {
          if (over) return discard?.(value);
          end();
          this.#answered();
          resolve(value);
        },
        (error: unknown) => {
          if (over) return;
          end();
          const cause = this.#described(error);
          reject(cause);
          // Other flights that wait for a connection would fail alike; one broken connection proves nothing about others.
          if (waitsFor === 'connection' && cause instanceof BrokerUnavailableError)
            this.#abandon(cause, 'connection');
        },
      );
    });
  }

  #answered(): void {
    this.#answeredAt = this.#looks;
    this.#answers++;
  }

  /** Starts a probe after nearly half a timeout without an answer; the probe takes the other half. */
  #watch(): void {
    this.#looks++;
    const [oldest] = this.#flights;
    if (oldest === undefined) {
      this.#watchdog?.();
      this.#watchdog = undefined;
      return;
    }
    // One slow statement beside others with answers is not silence.
    if (this.#looks - Math.max(oldest.since, this.#answeredAt) < SILENT_LOOKS) return;
    this.#probing ??= this.#ask().finally(() => {
      this.#probing = undefined;
    });
  }

  /** Probes the server on a connection of its own. If nothing at all is answered, gives up all flights. */
  async #ask(): Promise<void> {
    const before = this.#answers;
    const probed = await this.#probe.ask();
    if (probed === 'there') this.#answered();
    if (typeof probed === 'string' || this.#answers > before) return;
    const silent = this.#described(probed.silent);
    if (silent instanceof BrokerUnavailableError) this.#abandon(silent);
  }

  /** Translates a driver's error to ours when the server is unreachable, refuses for now, or refuses the login. */
  inOurWords(error: unknown): unknown {
    return isLater(error) ? this.#notNow(error) : this.#described(error);
  }

  #described(error: unknown): unknown {
    const refusal = loginRefusal(error);
    if (refusal !== undefined)
      return new BrokerError(`PostgreSQL at ${this.parts.address} ${refusal}.`, { cause: error });
    if (error instanceof BrokerUnavailableError || !isGone(error)) return error;
    this.lost(error);
    return this.#unavailable(error);
  }

  #abandon(error: Error, only?: Flight['waitsFor']): void {
    for (const flight of [...this.#flights])
      if (only === undefined || flight.waitsFor === only) flight.giveUp(error);
  }

  #notNow(cause: unknown): BrokerUnavailableError {
    const { address } = this.parts;
    return new BrokerUnavailableError(
      `PostgreSQL at ${address} does not take this just now: ${messageOf(cause)}.`,
      { address, cause },
    );
  }

  #unavailable(cause: unknown): BrokerUnavailableError {
    const { address } = this.parts;
    return new BrokerUnavailableError(
      `Cannot reach PostgreSQL at ${address}${cause === undefined ? '' : ` (${messageOf(cause)})`}. Check that it is running and reachable.`,
      { address, cause },
    );
  }
}

/**
 * Ignores the `error` events of a client. A broken client emits one beside the statement's rejection, and without a
 * listener the event would end the process.
 * @returns a function that removes the listener
 */
export function guard(client: PgClient): () => void {
  client.on('error', ignore);
  return () => client.off?.('error', ignore);
}

const ignore = () => undefined;

/** Gives outages the only code after which BullMQ repeats a finish. The job's lock makes the repetition safe. */
function forBullmq(unavailable: boolean, error: unknown): unknown {
  if (!unavailable) return error;
  return Object.assign(new Error(messageOf(error), { cause: error }), { code: 'ECONNREFUSED' });
}

/** Sends a statement in the form that pg expects. */
export function send(client: PgClient, text: string, params: readonly unknown[] | undefined) {
  // Without parameters pg accepts many statements in one text.
  return params === undefined ? client.query(text) : client.query(text, [...params]);
}

/** Runs a statement in its own transaction that selects the schema: the next may get another server connection. */
async function sendInside(
  client: PgClient,
  schema: string,
  text: string,
  params: readonly unknown[] | undefined,
) {
  await client.query(`BEGIN; SET LOCAL search_path TO "${schema}"`);
  try {
    const result = await send(client, text, params);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // the connection broke: there is nothing to undo
    throw error;
  }
}

/** The driver's result as ours; of several statements, the result of the last. */
export function shape(result: unknown): PgResult {
  const last: unknown = Array.isArray(result) ? result.at(-1) : result;
  const { rows, rowCount } = last as { rows?: PgRow[]; rowCount?: number | null };
  return { rows: rows ?? [], rowCount: rowCount ?? 0 };
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node's AggregateError of several addresses has no text of its own.
  return error.message || ('code' in error ? String(error.code) : error.name);
}
