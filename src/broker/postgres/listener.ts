/**
 * The one listening connection of a process, for all its workers and waiters. After a loss, the retry loop or the first new
 * use makes another connection. A connection counts as open only once it listens to every subscribed channel; then the gap
 * listeners are called, since notices may have been missed.
 */

import { sleep } from '../../timers.js';
import type { PgClient } from './driver.js';
import type { Notice, NoticeHandler, PgNotices, PgQuery } from './wire.js';

interface Channel {
  readonly handlers: Set<NoticeHandler>;
  listening: Promise<void>;
}

export interface PgListenerParts {
  readonly makeClient: () => PgClient;
  /** Sends notices; any connection will do. */
  readonly query: PgQuery;
  readonly onLost: (error: unknown) => void;
  readonly onBack: () => void;
}

/** How long channels without handlers are kept, ms, so that the next wait may reuse them. They are left in one command. */
const UNLISTEN_AFTER_MS = 5_000;
/** How often an idle connection is pinged, ms: TCP alone may take ten minutes to report a loss. */
const PING_EVERY_MS = 15_000;
const PING_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 2_000;
const RETRY_MS = [50, 200, 500, 1_000, 2_000];

export class PgListener implements PgNotices {
  readonly #channels = new Map<string, Channel>();
  readonly #gapListeners = new Set<() => void>();
  /** The channels that the current connection listens to. */
  #heard = new Set<string>();
  #wanted: string[] = [];
  #flushing: Promise<void> | undefined;
  #client: PgClient | undefined;
  #connecting: Promise<PgClient> | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #ping: NodeJS.Timeout | undefined;
  #busy = 0;
  /** True after a loss, until another connection is open. */
  #isLost = false;
  #restoring = false;
  #closed = false;

  constructor(private readonly parts: PgListenerParts) {}

  listen(channel: string, handler: NoticeHandler): Promise<void> {
    const known = this.#channels.get(channel);
    if (known !== undefined) {
      known.handlers.add(handler);
      return known.listening;
    }
    this.#wanted.push(channel);
    // The channels of one tick go into one statement.
    this.#flushing ??= Promise.resolve().then(() => this.#flush());
    const listening = this.#flushing;
    this.#channels.set(channel, { handlers: new Set([handler]), listening });
    return listening;
  }

  unlisten(channel: string, handler: NoticeHandler): void {
    this.#channels.get(channel)?.handlers.delete(handler);
    this.#sweep ??= setTimeout(() => this.#leave(), UNLISTEN_AFTER_MS).unref();
  }

  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  async send(notices: readonly Notice[]): Promise<void> {
    await this.parts.query('SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) AS t(c, p)', [
      notices.map((notice) => notice.channel),
      notices.map((notice) => notice.payload),
    ]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#sweep);
    clearInterval(this.#ping);
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    client.ref?.(); // the caller waits for the close, but a frozen server never answers: hence the limit
    const impatience = setTimeout(() => client.unref?.(), GOODBYE_MS).unref();
    await client.end();
    clearTimeout(impatience);
  }

  async #flush(): Promise<void> {
    const channels = this.#wanted;
    this.#wanted = [];
    this.#flushing = undefined;
    try {
      await this.#use(async (client) => {
        const unheard = channels.filter((channel) => !this.#heard.has(channel));
        if (unheard.length > 0) await this.#hear(client, unheard);
      });
    } catch (error) {
      // The callers get the error; a later listen starts afresh.
      for (const channel of channels) this.#channels.delete(channel);
      throw error;
    }
  }

  async #hear(client: PgClient, channels: readonly string[]): Promise<void> {
    await client.query(commands('LISTEN', channels));
    if (client === this.#client) for (const channel of channels) this.#heard.add(channel);
  }

  #leave(): void {
    this.#sweep = undefined;
    const channels = [...this.#channels]
      .filter(([, { handlers }]) => handlers.size === 0)
      .map(([name]) => name);
    for (const channel of channels) {
      this.#channels.delete(channel);
      this.#heard.delete(channel);
    }
    if (channels.length === 0 || this.#client === undefined) return;
    // A connection that breaks here has left all channels anyway.
    this.#use((client) => client.query(commands('UNLISTEN', channels))).catch(() => undefined);
  }

  /** Runs `body` on the connection, which keeps the process alive only meanwhile. */
  async #use(body: (client: PgClient) => Promise<unknown>): Promise<void> {
    const client = this.#client ?? (await this.#connect());
    if (this.#busy++ === 0) client.ref?.();
    try {
      await body(client);
    } finally {
      if (--this.#busy === 0) client.unref?.();
    }
  }

  #connect(): Promise<PgClient> {
    this.#connecting ??= this.#makeConnection().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #makeConnection(): Promise<PgClient> {
    const client = this.parts.makeClient();
    let broken: unknown;
    const onBroken = (error: unknown) => {
      broken ??= error;
      this.#lose(client, error);
    };
    client.on('error', onBroken);
    client.on('end', () => onBroken(new Error('Connection terminated unexpectedly')));
    client.on('notification', ({ channel, payload }) => {
      const handlers = this.#channels.get(channel)?.handlers;
      if (handlers !== undefined) for (const handler of [...handlers]) handler(payload ?? '');
    });
    const channels = [...this.#channels.keys()];
    try {
      await client.connect();
      // Handlers of the earlier connection rely on this one.
      if (channels.length > 0) await client.query(commands('LISTEN', channels));
      if (broken !== undefined) throw broken;
      if (this.#closed) throw new Error('Connection terminated');
    } catch (error) {
      client.end().catch(() => undefined); // it may never have been there
      throw error;
    }
    client.unref?.();
    this.#client = client;
    this.#heard = new Set(channels);
    this.#ping ??= setInterval(() => this.#checkAlive(), PING_EVERY_MS).unref();
    if (this.#isLost) this.#back();
    return client;
  }

  #back(): void {
    this.#isLost = false;
    this.parts.onBack();
    for (const listener of [...this.#gapListeners]) listener();
  }

  #lose(client: PgClient, error: unknown): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    this.#heard = new Set();
    this.#isLost = true;
    client.end().catch(() => undefined); // it is gone
    this.parts.onLost(error);
    if (!this.#restoring) void this.#restore();
  }

  /** Retries until a connection is open again, made by this loop or by a new use. */
  async #restore(): Promise<void> {
    this.#restoring = true;
    for (let attempt = 0; ; attempt++) {
      await sleep(RETRY_MS[attempt] ?? 2_000, { ref: false });
      if (this.#closed || this.#client !== undefined || this.#channels.size === 0) break;
      try {
        await this.#connect();
      } catch {
        // The loss was reported when it happened.
      }
    }
    this.#restoring = false;
  }

  #checkAlive(): void {
    const client = this.#client;
    if (client === undefined || this.#busy > 0) return;
    const overdue = setTimeout(
      () => this.#lose(client, new Error('timeout expired')),
      PING_TIMEOUT_MS,
    ).unref();
    client.query('SELECT 1').then(
      () => clearTimeout(overdue),
      (error: unknown) => {
        clearTimeout(overdue);
        this.#lose(client, error);
      },
    );
  }
}

function commands(verb: 'LISTEN' | 'UNLISTEN', channels: readonly string[]): string {
  return channels.map((channel) => `${verb} "${channel}"`).join('; ');
}
