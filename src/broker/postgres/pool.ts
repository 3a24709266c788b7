/**
 * Statements over one pg.Pool, failing fast or waiting. A server that stops answering (a cut cable, a frozen host) is
 * told from one that is merely slow by a second connection (`pg-probe`): when that one gets no answer either, every
 * statement in flight is given up at once.
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
  /** The watchdog's look it began before. */
  readonly since: number;
  /** Waits for a connection, or for an answer on one. */
  readonly waitsFor: 'connection' | 'answer';
  giveUp(error: Error): void;
}

export interface PgStatementsParams {
  readonly pool: PgPool;
  readonly address: string;
  readonly config: EngineConfig;
  /** A client outside the pool, not yet connected, that gives up after `timeoutMs`. */
  readonly makeClient: (timeoutMs: number) => PgClient;
  /** The schema, where a connection cannot be told at its login: behind a pooler each transaction is. */
  readonly schema?: string | undefined;
}

/** Other connections that broke in an outage are met this long after it: of it, they say nothing new. */
const AFTERMATH_MS = 2_000;

/** So often the watchdog looks within the configured second. */
const LOOKS = 8;
/** Nearly half of that, the first of which may come at once. */
const SILENT_LOOKS = 4;

export class PgStatements {
  readonly #flights = new Set<Flight>();
  /** Runs while anything is in flight, and stops at its first look after that: one timer, not one a statement. */
  #watchdog: Cancel | undefined;
  #probing: Promise<void> | undefined;
  readonly #probe: PgProbe;
  /** How often the watchdog has looked: silence is measured in looks, since a loop that was busy has not listened. */
  #looks = 0;
  /** The look before which something was answered last. */
  #answeredAt = 0;
  #answers = 0;
  #lostAt: number | undefined;
  #backAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(private readonly parts: PgStatementsParams) {
    this.#probe = new PgProbe(parts.makeClient, parts.config.connectTimeoutMs);
  }

  /** @throws {BrokerUnavailableError} at once when the connection is gone, within the configured second when it is silent */
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

  /** Waits for a connection, and for a server that says "not now"; what was sent on one that broke is not sent again. */
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

  isUnavailable(error: unknown): boolean {
    return error instanceof BrokerUnavailableError || isGone(error) || isLater(error);
  }

  /** An outage was noticed elsewhere (the listening connection). */
  lost(error: unknown): void {
    const now = performance.now();
    if (this.#lostAt !== undefined || this.#closed || now - this.#backAt < AFTERMATH_MS) return;
    this.#lostAt = now;
    this.parts.config.onTrouble(`PostgreSQL at ${this.parts.address} does not answer`, error);
  }

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

  /** Knocks again where the server turned the login away for now: nothing was asked of it yet. */
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

  /** Something that waits for the server, and can be given up while it does. */
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
          // Who waits for a connection would meet the same; one that broke says nothing about the others.
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

  /** Nearly half a timeout without an answer is worth a question, which takes the other half. */
  #watch(): void {
    this.#looks++;
    const [oldest] = this.#flights;
    if (oldest === undefined) {
      this.#watchdog?.();
      this.#watchdog = undefined;
      return;
    }
    // One slow statement among others that are answered is no silence.
    if (this.#looks - Math.max(oldest.since, this.#answeredAt) < SILENT_LOOKS) return;
    this.#probing ??= this.#ask().finally(() => {
      this.#probing = undefined;
    });
  }

  /** Asks on a connection of its own whether anybody is there; no answer, to anything, ends what is in flight. */
  async #ask(): Promise<void> {
    const before = this.#answers;
    const probed = await this.#probe.ask();
    if (probed === 'there') this.#answered();
    if (typeof probed === 'string' || this.#answers > before) return;
    const silent = this.#described(probed.silent);
    if (silent instanceof BrokerUnavailableError) this.#abandon(silent);
  }

  /** An error of the driver as ours, where it says that the server is away or does not take it now. */
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
 * A client that breaks says so beside the statement, which rejects: unheard, it would end the process.
 * @returns the way back
 */
export function guard(client: PgClient): () => void {
  client.on('error', ignore);
  return () => client.off?.('error', ignore);
}

const ignore = () => undefined;

/** BullMQ repeats a finish after this code only, and what it repeats is guarded by the job's lock. */
function forBullmq(unavailable: boolean, error: unknown): unknown {
  if (!unavailable) return error;
  return Object.assign(new Error(messageOf(error), { cause: error }), { code: 'ECONNREFUSED' });
}

/** Sends a statement as pg takes it. */
export function send(client: PgClient, text: string, params: readonly unknown[] | undefined) {
  // Without parameters pg takes many statements in one text.
  return params === undefined ? client.query(text) : client.query(text, [...params]);
}

/** A transaction of its own, since the next one may run on another connection of the server. */
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
    await client.query('ROLLBACK').catch(() => undefined); // it broke: there is nothing to undo
    throw error;
  }
}

/** What came back, of the last statement where there were several. */
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
