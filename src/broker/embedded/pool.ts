/**
 * One embedded database behind the interface of a pool: runs the statements of several apps (each with its schema) one
 * after the other on PGlite's single session, and delivers notices. The database itself runs in `embedded/thread`.
 */
import { Worker } from 'node:worker_threads';
import { OptionError } from '../../errors.js';
import { ownFile } from '../../own-files.js';
import type { Notice, NoticeHandler, PgNotices, PgQuery, PgResult } from '../postgres/wire.js';
import type { ThreadReply, ThreadRequest } from './thread.js';

interface Pending {
  resolve(result: PgResult): void;
  reject(error: Error): void;
}

export class PglitePool implements PgNotices {
  readonly #thread: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #handlers = new Map<string, Set<NoticeHandler>>();
  #nextId = 1;
  #session: Promise<unknown> = Promise.resolve();
  #schema: string | undefined;
  #over: Error | undefined;

  private constructor() {
    this.#thread = new Worker(
      ownFile('broker/embedded/thread.js', 'A memory:// or file:// broker runs in a thread'),
      {
        // The thread must not inherit the caller's loaders and flags (--test, --import).
        execArgv: [],
        name: 'celeriac-embedded',
      },
    );
    this.#thread.unref();
    this.#thread.on('message', (reply: ThreadReply) => this.#onReply(reply));
    this.#thread.on('error', (error) => this.#end(error));
    this.#thread.on('exit', () => this.#end(new Error('The embedded database was closed.')));
  }

  /**
   * Starts the database, in memory or in a folder. `fresh`: there is no database yet.
   * @throws {OptionError} when PGlite is not installed
   */
  static async open(dataDir: string | undefined, fresh: boolean): Promise<PglitePool> {
    const pool = new PglitePool();
    try {
      await pool.#ask({ kind: 'open', dataDir, fresh });
      return pool;
    } catch (error) {
      await pool.#thread.terminate();
      if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')
        throw new OptionError(
          'A memory:// or file:// broker needs the "@electric-sql/pglite" package. Run: npm install @electric-sql/pglite',
          { cause: error },
        );
      throw error;
    }
  }

  /** Whether the database has ended, by `close` or by itself. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  /** Runs statements of one schema; each takes a turn on the session. */
  query(schema: string): PgQuery {
    return (text, params) => this.session(schema, (run) => run(text, params));
  }

  /** Runs `body` with the session to itself. */
  session<R>(schema: string, body: (query: PgQuery) => Promise<R>): Promise<R> {
    const turn = this.#session.then(async () => {
      if (this.#schema !== schema) {
        this.#schema = undefined;
        await this.#ask({ kind: 'run', text: `SET search_path TO "${schema}"`, params: undefined });
        this.#schema = schema;
      }
      return body((text, params) => this.#ask({ kind: 'run', text, params }));
    });
    // The next turn runs even if this one failed; its caller gets the error.
    this.#session = turn.catch(() => undefined);
    return turn;
  }

  async listen(channel: string, handler: NoticeHandler): Promise<void> {
    const known = this.#handlers.get(channel);
    if (known !== undefined) {
      known.add(handler);
      return;
    }
    this.#handlers.set(channel, new Set([handler]));
    // Our own notices never leave the process (see `send`); only BullMQ's come from its SQL.
    if (isBullmqs(channel)) await this.query(this.#schema ?? 'public')(`LISTEN "${channel}"`);
  }

  unlisten(channel: string, handler: NoticeHandler): void {
    const handlers = this.#handlers.get(channel);
    handlers?.delete(handler);
    // BullMQ's few channels are kept: its workers use them again.
    if (handlers?.size === 0 && !isBullmqs(channel)) this.#handlers.delete(channel);
  }

  /** Does nothing: no notice is ever missed inside one process. */
  onGap(): () => void {
    return () => undefined;
  }

  async send(notices: readonly Notice[]): Promise<void> {
    for (const { channel, payload } of notices) this.#deliver(channel, payload);
  }

  /** Waits for the turns already requested, then ends the thread. */
  async close(): Promise<void> {
    await this.#session;
    if (this.#over === undefined) await this.#ask({ kind: 'close' }).catch(() => undefined); // it ends either way
    await this.#thread.terminate();
  }

  #ask(request: ThreadRequest): Promise<PgResult> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      // The thread keeps the process alive while an answer is pending.
      if (this.#pending.size === 0) this.#thread.ref();
      this.#pending.set(id, { resolve, reject });
      this.#thread.postMessage({ id, ...request });
    });
  }

  #onReply(reply: ThreadReply): void {
    if ('channel' in reply) {
      this.#deliver(reply.channel, reply.payload);
      return;
    }
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#thread.unref();
    if ('result' in reply) pending?.resolve(reply.result);
    else pending?.reject(Object.assign(new Error(reply.error.message), reply.error));
  }

  #deliver(channel: string, payload: string): void {
    const handlers = this.#handlers.get(channel);
    if (handlers !== undefined) for (const handler of [...handlers]) handler(payload);
  }

  #end(error: Error): void {
    this.#over ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#over);
    this.#pending.clear();
  }
}

function isBullmqs(channel: string): boolean {
  return channel.startsWith('bullmq_');
}
