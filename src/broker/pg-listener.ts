/**
 * The one connection of a process that LISTENs: for all its workers and all it waits for. When it breaks it is made
 * anew, listens to the same channels again, and says that notices may have been missed.
 */
import type { PgClient } from './pg-driver.js';
import type { Notice, NoticeHandler, PgNotices, PgQuery } from './pg-wire.js';

interface Channel {
  readonly handlers: Set<NoticeHandler>;
  listening: Promise<void>;
}

export interface PgListenerParts {
  readonly makeClient: () => PgClient;
  /** For sending; any connection will do. */
  readonly query: PgQuery;
  readonly onLost: (error: unknown) => void;
  readonly onBack: () => void;
}

/** Channels nobody wants are left together, a little later: waits come and go. */
const UNLISTEN_AFTER_MS = 5_000;
/** How often an idle connection is asked whether it is still there; TCP alone may take ten minutes to say. */
const PING_EVERY_MS = 15_000;
const PING_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 2_000;
const RETRY_MS = [50, 200, 500, 1_000, 2_000];

export class PgListener implements PgNotices {
  readonly #channels = new Map<string, Channel>();
  readonly #gapListeners = new Set<() => void>();
  #wanted: string[] = [];
  #flushing: Promise<void> | undefined;
  #client: PgClient | undefined;
  #connecting: Promise<PgClient> | undefined;
  #sweep: NodeJS.Timeout | undefined;
  #ping: NodeJS.Timeout | undefined;
  #busy = 0;
  #closed = false;

  constructor(private readonly parts: PgListenerParts) {}

  listen(channel: string, handler: NoticeHandler): Promise<void> {
    const known = this.#channels.get(channel);
    if (known !== undefined) {
      known.handlers.add(handler);
      return known.listening;
    }
    this.#wanted.push(channel);
    // All that is wanted in this tick becomes one statement.
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
    client.ref?.(); // somebody waits for the goodbye, though not for ever: a frozen server never says it
    const impatience = setTimeout(() => client.unref?.(), GOODBYE_MS).unref();
    await client.end();
    clearTimeout(impatience);
  }

  async #flush(): Promise<void> {
    const channels = this.#wanted;
    this.#wanted = [];
    this.#flushing = undefined;
    try {
      await this.#command(channels, 'LISTEN');
    } catch (error) {
      // The callers are told; a later listen starts afresh.
      for (const channel of channels) this.#channels.delete(channel);
      throw error;
    }
  }

  #leave(): void {
    this.#sweep = undefined;
    const channels = [...this.#channels]
      .filter(([, { handlers }]) => handlers.size === 0)
      .map(([name]) => name);
    for (const channel of channels) this.#channels.delete(channel);
    if (channels.length === 0 || this.#client === undefined) return;
    // A connection that breaks here has left all channels anyway.
    this.#command(channels, 'UNLISTEN').catch(() => undefined);
  }

  async #command(channels: readonly string[], verb: 'LISTEN' | 'UNLISTEN'): Promise<void> {
    if (channels.length === 0) return;
    await this.#ask(channels.map((channel) => `${verb} "${channel}"`).join('; '));
  }

  /** A statement on the connection, which keeps the process alive only while one is under way. */
  async #ask(text: string): Promise<void> {
    const client = this.#client ?? (await this.#connect());
    if (this.#busy++ === 0) client.ref?.();
    try {
      await client.query(text);
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
    client.on('error', (error) => this.#lose(client, error));
    client.on('end', () => this.#lose(client, new Error('Connection terminated unexpectedly')));
    client.on('notification', ({ channel, payload }) => {
      const handlers = this.#channels.get(channel)?.handlers;
      if (handlers !== undefined) for (const handler of [...handlers]) handler(payload ?? '');
    });
    await client.connect();
    client.unref?.();
    if (this.#closed) {
      await client.end();
      throw new Error('Connection terminated');
    }
    this.#client = client;
    this.#ping ??= setInterval(() => this.#checkAlive(), PING_EVERY_MS).unref();
    return client;
  }

  #lose(client: PgClient, error: unknown): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    client.end().catch(() => undefined); // it is gone
    this.parts.onLost(error);
    void this.#restore(0);
  }

  async #restore(attempt: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[attempt] ?? 2_000).unref());
    if (this.#closed || this.#client !== undefined || this.#channels.size === 0) return;
    try {
      await this.#connect();
      await this.#command([...this.#channels.keys()], 'LISTEN');
    } catch {
      // Told when it was lost; until it is back there is nothing to add.
      return this.#restore(attempt + 1);
    }
    this.parts.onBack();
    for (const listener of [...this.#gapListeners]) listener();
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
