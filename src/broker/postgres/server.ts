/**
 * The PostgreSQL engine, from a URL (our own pool) or the caller's pool, which is used and checked but must never be ended.
 * One more connection listens for the whole process. Behind a pooler that accepts no settings at login (PgBouncer), each
 * statement is a transaction that selects the schema, and notifications and migrations go directly to the server, whose
 * address the URL's `listen` parameter gives.
 */
import { randomUUID } from 'node:crypto';
import { BrokerError, OptionError } from '../../errors.js';
import { sleep } from '../../timers.js';
import type { Engine, EngineConfig } from '../broker.js';
import { PgEngine } from './broker.js';
import { loadPg, type PgClient, type PgDriver, type PgPool, refusesSettings } from './driver.js';
import { PgListener } from './listener.js';
import { limitLogin } from './login.js';
import { guard, PgStatements, send, shape } from './pool.js';
import { schemaOf } from './schema.js';
import type { Notice, NoticeHandler, PgNotices, PgQuery, PgWire } from './wire.js';

export type PostgresTarget = { readonly url: string } | { readonly pool: PgPool };

/** Opens a PostgreSQL engine; connects at the first call. */
export function openPostgres(config: EngineConfig, target: PostgresTarget): Engine {
  const schema = schemaOf(config.prefix);
  return new PgEngine(new PostgresWire(config, target, schema), schema, config);
}

/** Opens a database of the user's, such as the one of an outbox, with the schema that its sessions have; connects at the first call. */
export function openDatabase(config: EngineConfig, target: PostgresTarget): PgWire {
  return new PostgresWire(config, target, undefined);
}

/** How long the test of notifications waits for one, ms. */
const NOTICE_MS = 2_000;

const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

interface Open {
  readonly pool: PgPool;
  readonly link: PgStatements;
  readonly listener: PgListener;
  /** A client to the server itself, past a pooler if the URL has a `listen` parameter. */
  readonly makeDirect: (timeoutMs: number) => PgClient;
}

class PostgresWire implements PgWire {
  readonly kind = 'postgres';
  readonly oneProcess = false;
  readonly ownsSchema = false;
  readonly address: string;
  readonly notices: PgNotices;
  /** Holds the password. */
  readonly #target: PostgresTarget;
  #opening: Promise<Open> | undefined;
  readonly #gaps = new Set<() => void>();
  readonly #onPoolError: (error: Error) => void;
  #open: Open | undefined;
  /** True once a pooler refused or dropped the settings of a connection. */
  #isPooled = false;

  constructor(
    private readonly config: EngineConfig,
    target: PostgresTarget,
    /** `undefined`: the sessions keep the search_path that they have. */
    private readonly schema: string | undefined,
  ) {
    this.#target = target;
    this.address = addressOf(target);
    this.notices = {
      listen: async (channel: string, handler: NoticeHandler) => {
        const { listener, link } = await this.#parts();
        await listener.listen(channel, handler).catch((error: unknown) => {
          throw link.inOurWords(error);
        });
      },
      unlisten: (channel, handler) => this.#open?.listener.unlisten(channel, handler),
      send: async (batch: readonly Notice[]) => (await this.#parts()).listener.send(batch),
      onGap: (listener) => {
        this.#gaps.add(listener);
        return () => this.#gaps.delete(listener);
      },
    };
    // An idle connection broke: report it; the next statement makes another.
    this.#onPoolError = (error) => {
      // pg-pool puts the whole client into it, including credentials; must never be logged.
      Reflect.deleteProperty(error, 'client');
      this.#open?.link.lost(error);
    };
  }

  answers(): number {
    return this.#open?.link.answers ?? 0;
  }

  async open(): Promise<void> {
    if (await this.#look()) return;
    await this.#reopenPooled();
    await this.#look();
    const { listener } = await this.#parts();
    if (this.#directUrl === undefined) await this.#checkNotices(listener);
  }

  /** Checks the search_path of the pool's sessions. `false` when a pooler dropped or refused it. */
  async #look(): Promise<boolean> {
    const mayBePooled = 'url' in this.#target && !this.#isPooled;
    try {
      const { link } = await this.#parts();
      const { rows } = await link.calls("SELECT current_setting('search_path') AS path");
      const path = String(rows[0]?.['path']);
      if (mayBePooled && !this.#isOurs(path)) return false;
      this.#checkSearchPath(path);
      return true;
    } catch (error) {
      if (mayBePooled && refusesSettings(error)) return false;
      throw error;
    }
  }

  async #reopenPooled(): Promise<void> {
    const old = await this.#parts();
    this.#isPooled = true;
    this.#opening = undefined;
    old.link.close();
    old.pool.off('error', this.#onPoolError);
    await this.#goodbye(old);
  }

  /** Tests that notifications arrive: a pooler in transaction mode accepts LISTEN and forwards nothing. */
  async #checkNotices(listener: PgListener): Promise<void> {
    const channel = `celeriac_check_${randomUUID().replaceAll('-', '')}`;
    let hear: (heard: boolean) => void = () => undefined;
    const heard = new Promise<boolean>((resolve) => {
      hear = resolve;
    });
    const handler = () => hear(true);
    await this.notices.listen(channel, handler);
    await listener.send([{ channel, payload: '' }]);
    const waiting = new AbortController();
    const arrived = await Promise.race([
      heard,
      sleep(NOTICE_MS, { signal: waiting.signal }).then(() => false),
    ]);
    waiting.abort();
    listener.unlisten(channel, handler);
    if (arrived) return;
    throw new BrokerError(
      `PostgreSQL at ${this.address} is behind a pooler in transaction mode, which passes no notifications on. ` +
        "Name the server's own address in the broker URL, for listening and migrations: " +
        'postgres://user:password@pooler:6432/database?listen=postgres://user:password@server:5432/database',
    );
  }

  get #directUrl(): string | undefined {
    return 'url' in this.#target ? listenUrlOf(this.#target.url) : undefined;
  }

  readonly calls: PgQuery = (text, params) =>
    this.#open?.link.calls(text, params) ?? this.#parts().then(({ link }) => link.calls(text, params));

  readonly patient: PgQuery = (text, params) =>
    this.#open?.link.patient(text, params) ?? this.#parts().then(({ link }) => link.patient(text, params));

  async session<R>(body: (query: PgQuery) => Promise<R>): Promise<R> {
    const { link, makeDirect } = await this.#parts();
    if (!this.#isPooled || this.#directUrl === undefined) return link.session(body);
    const client = makeDirect(this.config.connectTimeoutMs);
    guard(client);
    try {
      await client.connect();
      return await body(async (text, params) => shape(await send(client, text, params)));
    } catch (error) {
      throw link.inOurWords(error);
    } finally {
      client.end().catch(() => undefined); // it may never have been there
    }
  }

  isUnavailable(error: unknown): boolean {
    return this.#open?.link.isUnavailable(error) ?? false;
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined); // the caller that opened it got the error
    if (open === undefined) return;
    open.link.close();
    open.pool.off('error', this.#onPoolError);
    if ('pool' in this.#target) open.pool.off('connect', guardNewcomer);
    // A connection that hangs while closing must not block the program.
    await Promise.race([this.#goodbye(open), new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
  }

  async #goodbye({ pool, listener }: Open): Promise<void> {
    const listening = listener.close().catch(() => undefined); // the connection was lost already
    if ('url' in this.#target) {
      pool.on('error', () => undefined); // an idle connection may be lost too
      await pool.end();
    }
    await listening;
  }

  #parts(): Promise<Open> {
    this.#opening ??= this.#make().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #make(): Promise<Open> {
    const { pool, makeClient, makeDirect } =
      'url' in this.#target ? await this.#ownPool(this.#target.url) : this.#givenPool(this.#target.pool);
    pool.on('error', this.#onPoolError);
    pool.on('connect', guardNewcomer);
    const link = new PgStatements({
      pool,
      address: this.address,
      config: this.config,
      makeClient,
      schema: this.#isPooled ? this.schema : undefined,
    });
    const listener = new PgListener({
      makeClient: () => makeDirect(this.config.connectTimeoutMs),
      query: link.patient,
      onLost: (error) => link.lost(error),
      onBack: () => link.recovered(),
    });
    listener.onGap(() => {
      for (const onGap of [...this.#gaps]) onGap();
    });
    this.#open = { pool, link, listener, makeDirect };
    return this.#open;
  }

  async #ownPool(url: string) {
    const pg: PgDriver = await loadPg();
    const settings = { ...settingsOf(url, this.#isPooled ? undefined : this.schema), ...KEEP_ALIVE };
    const listenUrl = listenUrlOf(url);
    const direct =
      listenUrl === undefined ? settings : { ...settingsOf(listenUrl, this.schema), ...KEEP_ALIVE };
    const timeoutMs = this.config.connectTimeoutMs;
    // Not by pg's own option: pg-pool applies it to the wait for a free client too, and a busy pool is not an outage.
    class Impatient extends pg.Client {
      constructor(config: Record<string, unknown>) {
        super(config);
        limitLogin(this, timeoutMs);
      }
    }
    const pool = new pg.Pool({ ...settings, Client: Impatient, max: 10, allowExitOnIdle: true });
    return {
      pool,
      makeClient: (ms: number): PgClient => limitLogin(new pg.Client({ ...settings }), ms),
      makeDirect: (ms: number): PgClient => limitLogin(new pg.Client({ ...direct }), ms),
    };
  }

  #givenPool(pool: PgPool) {
    const { Client, options } = pool as PgPool & {
      Client?: PgDriver['Client'];
      options?: Record<string, unknown>;
    };
    if (Client === undefined || options === undefined)
      throw new OptionError(
        'broker: this object is not a pg.Pool: it does not say how its clients are made.',
      );
    // The pool's password is not enumerable, so a spread would lose it.
    const settings = { ...options, password: options['password'], ...KEEP_ALIVE, connectionTimeoutMillis: 0 };
    const makeClient = (ms: number): PgClient => limitLogin(new Client({ ...settings }), ms);
    return { pool, makeClient, makeDirect: makeClient };
  }

  #isOurs(path: string): boolean {
    const first = path
      .split(',')[0]
      ?.trim()
      .replace(/^"(.*)"$/, '$1');
    return first === this.schema;
  }

  #checkSearchPath(path: string): void {
    if (this.#isOurs(path)) return;
    throw new OptionError(
      `broker: the sessions of this pg.Pool have search_path = ${path || "''"}, but the prefix "${this.config.prefix}" lives in the schema ` +
        `"${this.schema}". Make the pool with options: '-c search_path="${this.schema}"', or set the prefix to the pool's schema.`,
    );
  }
}

/**
 * Guards a client while the pool hands it over: the pool has removed its own error listener by then, and a server that
 * ends the connection at once would emit an error before the caller has a guard.
 */
function guardNewcomer(client: PgClient): void {
  setImmediate(guard(client));
}

/** The URL to listen at, past a pooler; `undefined` without a `listen` parameter. */
function listenUrlOf(url: string): string | undefined {
  return parse(url).searchParams.get('listen') ?? undefined;
}

/** The URL as pg settings, with the search_path that every session needs. Without a schema, no session settings. */
function settingsOf(url: string, schema: string | undefined): Record<string, unknown> {
  const parsed = parse(url);
  const theirs = parsed.searchParams.get('options');
  parsed.searchParams.delete('options');
  parsed.searchParams.delete('listen');
  if (schema === undefined) return { connectionString: parsed.href };
  const ours = `-c search_path="${schema}"`;
  return { connectionString: parsed.href, options: theirs === null ? ours : `${theirs} ${ours}` };
}

function addressOf(target: PostgresTarget): string {
  if ('url' in target) {
    const { hostname, port, pathname } = parse(target.url);
    return `postgres://${hostname || 'localhost'}:${port || '5432'}${pathname}`;
  }
  const { options } = target.pool as PgPool & { options?: Record<string, unknown> };
  const text = options?.['connectionString'];
  if (typeof text === 'string') return addressOf({ url: text });
  return `postgres://${String(options?.['host'] ?? 'localhost')}:${String(options?.['port'] ?? 5432)}/${String(options?.['database'] ?? '')}`;
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // The text may contain a password, so the error repeats neither the text nor URL's own error.
    throw new OptionError(
      'broker: this postgres:// URL cannot be read. Example: postgres://user:password@host:5432/database',
    );
  }
}
