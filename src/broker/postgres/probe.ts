/**
 * Asks a PostgreSQL that has been silent for a while whether it is there. A server is often silent because it has too much
 * to do, so asking must cost it next to nothing: one connection is made and kept, and asked again and again; another login
 * is tried only where that one gives no answer, and ever more rarely while logins are answered.
 */
import { type Listening, listenFor } from '../listening.js';
import { isGone, type PgClient } from './driver.js';

/** What was found out: `unsure` where it was too early for another login. */
export type Probed = 'there' | 'unsure' | { readonly silent: unknown };

/** The kept connection goes when nobody has asked for this long. */
const KEPT_MS = 30_000;
const LONGEST_PAUSE_MS = 10_000;

export class PgProbe {
  #kept: PgClient | undefined;
  #keptTimer: NodeJS.Timeout | undefined;
  /** Between two logins; doubles while they are answered, since then the server is there and busy. */
  #pauseMs = 0;
  #loginAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(
    /** A client outside the pool, not yet connected, that gives up after `timeoutMs`. */
    private readonly makeClient: (timeoutMs: number) => PgClient,
    /** Within half of this the answer is there, or counts as none. */
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
    // An error is an answer as long as the connection stands; where it broke, a login says more.
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
      // It answered, if only to say no (53300: it has connections enough).
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
