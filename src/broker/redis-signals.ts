/**
 * The Signals port on Redis: a pub/sub channel per topic, so that a process hears of what it waits for and of
 * nothing else. Notices and subscriptions of one tick travel together. On Cluster the channels are sharded
 * (SPUBLISH), next to the keys of their prefix.
 */
import type { Signals } from './engine.js';
import type { RedisLink } from './redis-link.js';
import { isReady } from './redis-link.js';
import { RedisScript } from './redis-script.js';
import type { RedisClient } from './redis-target.js';

// KEYS[1] any key of the prefix (routing) · ARGV command, channels
const PUBLISH = new RedisScript(
  1,
  `
for i = 2, #ARGV do redis.call(ARGV[1], ARGV[i], '') end
return 1`,
);

interface Topic {
  readonly listeners: Set<() => void>;
  /** Resolves when the server has confirmed the subscription. */
  subscribed: Promise<void>;
}

export class RedisSignals implements Signals {
  /** Notices leave by the connection that writes. */
  readonly ordered = true;
  readonly #topics = new Map<string, Topic>();
  readonly #gapListeners = new Set<() => void>();
  #outbox: string[] = [];
  #wanted: { channel: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  #unwanted = new Set<string>();
  #wired = false;

  constructor(
    /** The connection notices leave by: the worker's own, so that a notice follows the write it tells of. */
    private readonly publisher: () => RedisClient,
    private readonly subscriber: () => RedisLink,
    private readonly channelPrefix: string,
    private readonly sharded: boolean,
  ) {}

  notify(topic: string): void {
    this.#outbox.push(this.#channel(topic));
    if (this.#outbox.length > 1) return;
    // After the microtasks: whatever write this notice tells of has been handed to the connection by then.
    process.nextTick(() => this.#flushOutbox());
  }

  subscribe(topic: string, listener: () => void): Promise<void> {
    const channel = this.#channel(topic);
    const known = this.#topics.get(channel);
    if (known !== undefined) {
      known.listeners.add(listener);
      this.#unwanted.delete(channel);
      return known.subscribed;
    }
    const subscribed = new Promise<void>((resolve, reject) => {
      this.#wanted.push({ channel, resolve, reject });
    });
    subscribed.catch(() => undefined); // told through the promise handed out
    this.#topics.set(channel, { listeners: new Set([listener]), subscribed });
    if (this.#wanted.length === 1) queueMicrotask(() => void this.#flushWanted());
    return subscribed;
  }

  unsubscribe(topic: string, listener: () => void): void {
    const channel = this.#channel(topic);
    const known = this.#topics.get(channel);
    if (known === undefined || !known.listeners.delete(listener) || known.listeners.size > 0) return;
    if (this.#unwanted.size === 0) setTimeout(() => this.#flushUnwanted(), UNSUBSCRIBE_AFTER_MS).unref();
    this.#unwanted.add(channel);
  }

  onGap(listener: () => void): void {
    this.#gapListeners.add(listener);
  }

  #channel(topic: string): string {
    return this.channelPrefix + topic;
  }

  #flushOutbox(): void {
    const channels = this.#outbox;
    this.#outbox = [];
    const client = this.publisher();
    const command = this.sharded ? 'spublish' : 'publish';
    const sent =
      channels.length === 1
        ? client[command](channels[0] ?? '', '')
        : PUBLISH.run(client, [this.channelPrefix], [command, ...channels]);
    // Best effort: a notice that cannot be sent is found by the waiters' sweep.
    Promise.resolve(sent).catch(() => undefined);
  }

  async #flushWanted(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = [];
    try {
      const link = this.subscriber();
      await link.ready();
      this.#wire(link.client);
      await this.#subscribe(
        link.client,
        wanted.map((w) => w.channel),
      );
      for (const w of wanted) w.resolve();
    } catch (error) {
      for (const w of wanted) {
        this.#topics.delete(w.channel);
        w.reject(error);
      }
    }
  }

  #flushUnwanted(): void {
    const channels = [...this.#unwanted].filter((channel) => this.#topics.get(channel)?.listeners.size === 0);
    this.#unwanted.clear();
    if (channels.length === 0) return;
    for (const channel of channels) this.#topics.delete(channel);
    const { client } = this.subscriber();
    if (!isReady(client)) return;
    const gone = this.sharded ? client.sunsubscribe(...channels) : client.unsubscribe(...channels);
    // The connection may close first, and the subscription with it.
    gone.catch(() => undefined);
  }

  #subscribe(client: RedisClient, channels: string[]): Promise<unknown> {
    return this.sharded ? client.ssubscribe(...channels) : client.subscribe(...channels);
  }

  #wire(client: RedisClient): void {
    if (this.#wired) return;
    this.#wired = true;
    client.on(this.sharded ? 'smessage' : 'message', (channel: string) => this.#deliver(channel));
    client.on('ready', () => void this.#resubscribe(client));
  }

  #deliver(channel: string): void {
    const topic = this.#topics.get(channel);
    if (topic !== undefined) for (const listener of topic.listeners) listener();
  }

  async #resubscribe(client: RedisClient): Promise<void> {
    const channels = [...this.#topics.keys()];
    try {
      if (channels.length > 0) await this.#subscribe(client, channels);
      for (const listener of this.#gapListeners) listener();
    } catch {
      // Lost again: the next 'ready' starts over.
    }
  }
}

/** Waits that end close together leave in one command. */
const UNSUBSCRIBE_AFTER_MS = 100;
