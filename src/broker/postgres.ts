/**
 * The PostgreSQL engine: a URL (our own pool) or the caller's pool (used, checked, never ended). One more connection
 * listens, for the whole process.
 */
import { OptionError } from '../errors.js';
import type { Engine, EngineConfig } from './engine.js';
import { loadPg, type PgClient, type PgDriver, type PgPool } from './pg-driver.js';
import { PgEngine } from './pg-engine.js';
import { guard, PgLink } from './pg-link.js';
import { PgListener } from './pg-listener.js';
import { schemaOf } from './pg-schema.js';
import type { Notice, NoticeHandler, PgNotices, PgQuery, PgWire } from './pg-wire.js';

export type PostgresTarget = { readonly url: string } | { readonly pool: PgPool };

/** Opens a PostgreSQL engine; connects at the first call. */
export function openPostgres(config: EngineConfig, target: PostgresTarget): Engine {
  const schema = schemaOf(config.prefix);
  return new PgEngine(new PostgresWire(config, target, schema), schema, config);
}

const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };

interface Open {
  readonly pool: PgPool;
  readonly link: PgLink;
  readonly listener: PgListener;
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

  constructor(
    private readonly config: EngineConfig,
    target: PostgresTarget,
    private readonly schema: string,
  ) {
    this.#target = target;
    this.address = addressOf(target);
    this.notices = {
      listen: async (channel: string, handler: NoticeHandler) =>
        (await this.#parts()).listener.listen(channel, handler),
      unlisten: (channel, handler) => this.#open?.listener.unlisten(channel, handler),
      send: async (batch: readonly Notice[]) => (await this.#parts()).listener.send(batch),
      onGap: (listener) => {
        this.#gaps.add(listener);
        return () => this.#gaps.delete(listener);
      },
    };
    // An idle connection broke: the next statement finds out for itself.
    this.#onPoolError = (error) => {
      // pg-pool puts the whole client into it, login included: nothing for a log.
      Reflect.deleteProperty(error, 'client');
      this.#open?.link.lost(error);
    };
  }

  async open(): Promise<void> {
    const { link } = await this.#parts();
    const { rows } = await link.calls("SELECT current_setting('search_path') AS path");
    this.#checkSearchPath(String(rows[0]?.['path']));
  }

  readonly calls: PgQuery = (text, params) =>
    this.#open?.link.calls(text, params) ?? this.#parts().then(({ link }) => link.calls(text, params));

  readonly patient: PgQuery = (text, params) =>
    this.#open?.link.patient(text, params) ?? this.#parts().then(({ link }) => link.patient(text, params));

  async session<R>(body: (query: PgQuery) => Promise<R>): Promise<R> {
    return (await this.#parts()).link.session(body);
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
    const { pool, makeClient } =
      'url' in this.#target ? await this.#ownPool(this.#target.url) : this.#givenPool(this.#target.pool);
    pool.on('error', this.#onPoolError);
    pool.on('connect', guardNewcomer);
    const link = new PgLink({ pool, address: this.address, config: this.config, makeClient });
    const listener = new PgListener({
      makeClient: () => makeClient(this.config.connectTimeoutMs),
      query: link.patient,
      onLost: (error) => link.lost(error),
      onBack: () => link.recovered(),
    });
    listener.onGap(() => {
      for (const tell of [...this.#gaps]) tell();
    });
    this.#open = { pool, link, listener };
    return this.#open;
  }

  async #ownPool(url: string) {
    const pg: PgDriver = await loadPg();
    const settings = { ...settingsOf(url, this.schema), ...KEEP_ALIVE };
    const timeoutMs = this.config.connectTimeoutMs;
    // pg-pool reads the same option as "how long to wait for a free client": a busy pool is no unreachable server.
    class Impatient extends pg.Client {
      constructor(config: Record<string, unknown>) {
        super({ ...config, connectionTimeoutMillis: timeoutMs });
      }
    }
    const pool = new pg.Pool({ ...settings, Client: Impatient, max: 10, allowExitOnIdle: true });
    return {
      pool,
      makeClient: (ms: number): PgClient => new pg.Client({ ...settings, connectionTimeoutMillis: ms }),
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
    const settings = { ...options, password: options['password'], ...KEEP_ALIVE };
    return {
      pool,
      makeClient: (ms: number): PgClient => new Client({ ...settings, connectionTimeoutMillis: ms }),
    };
  }

  #checkSearchPath(path: string): void {
    const first = path
      .split(',')[0]
      ?.trim()
      .replace(/^"(.*)"$/, '$1');
    if (first === this.schema) return;
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

/** The URL as pg settings, with the search_path every session needs. */
function settingsOf(url: string, schema: string): Record<string, unknown> {
  const parsed = parse(url);
  const theirs = parsed.searchParams.get('options');
  parsed.searchParams.delete('options');
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
