/**
 * The PostgreSQL engine: a URL (our own pool) or the caller's pool (used, checked, never ended). One more connection
 * listens, for the whole process. Behind a pooler that takes no settings at the login (PgBouncer), each statement is a
 * transaction that names the schema, and notifications and migrations go to the server itself where the URL names it.
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

/** How long a notification may be under way when it is tried out. */
const NOTICE_MS = 2_000;

const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

interface Open {
  readonly pool: PgPool;
  readonly link: PgStatements;
  readonly listener: PgListener;
  /** A client to the server itself, past a pooler where the URL says how. */
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
  /** A pooler refused, or dropped, the settings of a connection. */
  #isPooled = false;

  constructor(
    private readonly config: EngineConfig,
    target: PostgresTarget,
    private readonly schema: string,
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
    // An idle connection broke: the next statement finds out for itself.
    this.#onPoolError = (error) => {
      // pg-pool puts the whole client into it, including credentials; must never be logged.
      Reflect.deleteProperty(error, 'client');
      this.#open?.link.lost(error);
    };
  }

  async open(): Promise<void> {
    if (await this.#look()) return;
    await this.#reopenPooled();
    await this.#look();
    const { listener } = await this.#parts();
    if (this.#directUrl === undefined) await this.#checkNotices(listener);
  }

  /** Whether the sessions of the pool are as they should be; `false` where a pooler kept them from it. */
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

  /** In transaction mode a pooler takes a LISTEN and passes nothing on. */
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
    const open = await this.#opening?.catch(() => undefined); // whoever opened it was told
    if (open === undefined) return;
    open.link.close();
    open.pool.off('error', this.#onPoolError);
    if ('pool' in this.#target) open.pool.off('connect', guardNewcomer);
    // A connection that hangs in the middle of a goodbye must not hold up the program.
    await Promise.race([this.#goodbye(open), new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
  }

  async #goodbye({ pool, listener }: Open): Promise<void> {
    const listening = listener.close().catch(() => undefined); // it was gone already
    if ('url' in this.#target) {
      pool.on('error', () => undefined); // so may an idle connection be
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
      for (const tell of [...this.#gaps]) tell();
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
    // pg-pool reads the same option as "how long to wait for a free client": a busy pool is no unreachable server.
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
    // The pool hides its password from enumeration, so a spread would lose it.
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
 * The pool stops listening to a client when it hands it over, which we hear of a moment later; a server that ends the
 * connection with its first words would be faster.
 */
function guardNewcomer(client: PgClient): void {
  setImmediate(guard(client));
}

/** Where to listen, past a pooler. */
function listenUrlOf(url: string): string | undefined {
  return parse(url).searchParams.get('listen') ?? undefined;
}

/** The URL as pg settings, with the search_path every session needs; without a schema, without any settings. */
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
    // The text may hold a password: it is not repeated, and neither is URL's error, which does.
    throw new OptionError(
      'broker: this postgres:// URL cannot be read. Example: postgres://user:password@host:5432/database',
    );
  }
}
