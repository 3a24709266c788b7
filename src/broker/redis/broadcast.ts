/**
 * The Broadcast port on Redis: one pub/sub channel per app, on the connection that also listens for notices. On Cluster
 * the channel is sharded, in the slot of the app's keys.
 */
import type { Broadcast } from '../broker.js';
import { isReady, type RedisConnection } from './connection.js';
import type { RedisClient } from './url.js';

export interface RedisBroadcastParams {
  /** A connected client for sending. */
  readonly publisher: () => Promise<RedisClient>;
  readonly subscriber: () => RedisConnection;
  readonly channel: string;
  readonly sharded: boolean;
}

export class RedisBroadcast implements Broadcast {
  readonly #listeners = new Set<(text: string) => void>();
  #subscribed: Promise<void> | undefined;
  #wired = false;
  /** On Cluster: settles when the previous texts were sent or have failed. */
  #lastSent: Promise<void> = Promise.resolve();

  constructor(private readonly params: RedisBroadcastParams) {}

  async publish(texts: readonly string[]): Promise<void> {
    const { publisher, channel, sharded } = this.params;
    if (sharded) return this.#publishInTurn(texts);
    const client = await publisher();
    await Promise.all(texts.map((text) => client.publish(channel, text)));
  }

  /** A Cluster's client retries each refused command on its own, so commands sent together may change order. */
  #publishInTurn(texts: readonly string[]): Promise<void> {
    const sent = this.#lastSent.then(async () => {
      const client = await this.params.publisher();
      for (const text of texts) await client.spublish(this.params.channel, text);
    });
    this.#lastSent = sent.catch(() => undefined); // the caller of publish gets the error
    return sent;
  }

  async subscribe(listener: (text: string) => void): Promise<void> {
    this.#listeners.add(listener);
    this.#subscribed ??= this.#subscribe().catch((error: unknown) => {
      this.#subscribed = undefined;
      throw error;
    });
    try {
      await this.#subscribed;
    } catch (error) {
      this.#listeners.delete(listener);
      throw error;
    }
  }

  unsubscribe(listener: (text: string) => void): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#subscribed = undefined;
    const { subscriber, channel, sharded } = this.params;
    const { client } = subscriber();
    if (!isReady(client)) return;
    const gone = sharded ? client.sunsubscribe(channel) : client.unsubscribe(channel);
    // The connection may close first, and the subscription with it.
    gone.catch(() => undefined);
  }

  async #subscribe(): Promise<void> {
    const link = this.params.subscriber();
    await link.ready();
    this.#wire(link.client);
    await this.#listen(link.client);
  }

  #listen(client: RedisClient): Promise<unknown> {
    const { channel, sharded } = this.params;
    return sharded ? client.ssubscribe(channel) : client.subscribe(channel);
  }

  #wire(client: RedisClient): void {
    if (this.#wired) return;
    this.#wired = true;
    client.on(this.params.sharded ? 'smessage' : 'message', (channel: string, text: string) => {
      if (channel === this.params.channel) for (const listener of [...this.#listeners]) listener(text);
    });
    client.on('ready', () => {
      // If the connection is lost again, the next 'ready' starts over.
      if (this.#listeners.size > 0) this.#listen(client).catch(() => undefined);
    });
  }
}
