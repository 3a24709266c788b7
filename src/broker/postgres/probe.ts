/**
 * Probes a silent PostgreSQL server. A server is often silent because it is overloaded, so a probe must cost next to
 * nothing: one connection is kept and reused. A new login is tried only if the kept connection does not answer, and ever
 * more rarely while logins are answered.
 */
import { type Listening, listenFor } from '../listening.js';
import { isGone, type PgClient } from './driver.js';

/** The result of a probe. `unsure`: it was too early for another login. `silent`: the error of the failed login. */
export type Probed = 'there' | 'unsure' | { readonly silent: unknown };

/** How long the connection is kept after the last answered probe, ms. */
const KEPT_MS = 30_000;
const LONGEST_PAUSE_MS = 10_000;

export class PgProbe {
  #kept: PgClient | undefined;
  #keptTimer: NodeJS.Timeout | undefined;
  /** Pause between two logins, ms. Doubles while they are answered, since the server is there and busy. */
  #pauseMs = 0;
  #loginAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(
    /** A client outside the pool, not yet connected, that gives up after `timeoutMs`. */
    private readonly makeClient: (timeoutMs: number) => PgClient,
    /** A probe without an answer within half of this counts as silent, ms. */
    private readonly patienceMs: number,
  ) {}

  async ask(): Promise<Probed> {
    if (await this.#keptAnswers()) return 'there';
    if (performance.now() - this.#loginAt < this.#pauseMs) return 'unsure';
    return this.#login();
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  async #keptAnswers(): Promise<boolean> {
    const client = this.#kept;
    if (client === undefined) return false;
    let listening: Listening | undefined;
    const late = new Promise<false>((resolve) => {
      listening = listenFor(this.patienceMs / 8, () => resolve(false));
    });
    // An error on an open connection is an answer. After a broken connection a login shows more.
    const answer = client.query('SELECT 1').then(
      () => true,
      (error: unknown) => !isGone(error),
    );
    const answered = await Promise.race([answer, late]);
    listening?.cancel();
    if (answered) this.#keep();
    else this.#drop();
    return answered;
  }

  async #login(): Promise<Probed> {
    const client = this.makeClient(Math.max(50, (this.patienceMs * 3) / 8 - 50));
    client.on('error', () => undefined); // connect() rejects with it
    this.#loginAt = performance.now();
    try {
      await client.connect();
    } catch (error) {
      client.end().catch(() => undefined); // it may never have been there
      // Any refusal by the server is an answer (53300: too many connections).
      const isAnswer = !isGone(error) || (error instanceof Error && Reflect.get(error, 'code') === '53300');
      if (!isAnswer) {
        this.#pauseMs = 0;
        return { silent: error };
      }
      this.#slowDown();
      return 'there';
    }
    this.#slowDown();
    client.unref?.();
    this.#kept = client;
    if (this.#closed) this.#drop();
    else this.#keep();
    return 'there';
  }

  #slowDown(): void {
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(this.patienceMs, this.#pauseMs * 2));
  }

  #keep(): void {
    clearTimeout(this.#keptTimer);
    this.#keptTimer = setTimeout(() => {
      this.#drop();
      this.#pauseMs = 0;
    }, KEPT_MS).unref();
  }

  #drop(): void {
    clearTimeout(this.#keptTimer);
    const client = this.#kept;
    this.#kept = undefined;
    client?.end().catch(() => undefined); // it may hang
  }
}
