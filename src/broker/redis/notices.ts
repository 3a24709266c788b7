/**
 * The Notices port on Redis: pub/sub channels (see `notice-channels`), so that a process receives the notices that it waits
 * for and few others. Notices and subscriptions of one tick are batched. On Cluster the channels are sharded (SPUBLISH), in
 * the slot of the app's keys.
 */

import type { OwnIds } from '../../protocol/ids.js';
import type { JobRef, NoticeListener, Notices } from '../broker.js';
import { channelsOf, eachNotice, isOf, routeOf } from '../notice-channels.js';
import type { RedisConnection } from './connection.js';
import { isReady } from './connection.js';
import { NoticeOutbox } from './notice-outbox.js';
import { RecentlyHeard } from './recently-heard.js';
import type { RedisClient } from './url.js';

/** A channel to listen to; subscribed to for as long as it is in the map. */
interface Channel {
  /** Listeners by mark. */
  readonly listeners: Map<string, Set<NoticeListener>>;
  /** Resolves when the server has confirmed the subscription. */
  subscribed: Promise<void>;
  /** Whether the channel is one of this process's own, which are subscribed to and left together. */
  readonly own: boolean;
}

interface Wanted {
  readonly channels: readonly string[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface RedisSignalsParams {
  /** The connection that publishes: the worker's own, so that a notice follows its write. */
  readonly publisher: () => RedisConnection;
  readonly subscriber: () => RedisConnection;
  readonly channelPrefix: string;
  readonly sharded: boolean;
  readonly jobKey: (job: JobRef) => string;
}

export class RedisNotices implements Notices {
  /** True: notices leave over the connection that writes. */
  readonly ordered = true;
  readonly #channels = new Map<string, Channel>();
  readonly #gapListeners = new Set<() => void>();
  #own: RecentlyHeard | undefined;
  #ownUsed = false;
  #ownTimer: NodeJS.Timeout | undefined;
  readonly #outbox: NoticeOutbox;
  #wanted: Wanted[] = [];
  #unwanted = new Set<string>();
  #wired = false;
  /** Whether the connection is up, with every confirmed subscription. */
  #standing = false;
  /** How often the connection was lost. */
  #losses = 0;

  constructor(private readonly params: RedisSignalsParams) {
    const { publisher: link, sharded, channelPrefix, jobKey } = params;
    this.#outbox = new NoticeOutbox({
      link,
      command: sharded ? 'spublish' : 'publish',
      channelPrefix,
      jobKey,
    });
  }

  notify(topic: string, ended?: JobRef): void {
    this.#outbox.notify(topic, ended);
  }

  hint(topic: string): void {
    this.#outbox.hint(topic);
  }

  /** Publishes all held notices at once. */
  flush(): void {
    this.#outbox.flush();
  }

  subscribe(topic: string, listener: NoticeListener): Promise<void> {
    const { channel, mark } = routeOf(topic);
    const known = this.#channels.get(channel) ?? this.#open(channel);
    const listeners = known.listeners.get(mark);
    if (listeners === undefined) known.listeners.set(mark, new Set([listener]));
    else listeners.add(listener);
    if (known.own) this.#keepOwn();
    else this.#unwanted.delete(channel);
    // A connection that was lost without waiters does not reconnect by itself.
    if (!this.#standing && this.#wanted.length === 0) known.subscribed = this.#want([channel]);
    return known.subscribed;
  }

  unsubscribe(topic: string, listener: NoticeListener): void {
    const { channel, mark } = routeOf(topic);
    const known = this.#channels.get(channel);
    const listeners = known?.listeners.get(mark);
    if (known === undefined || !listeners?.delete(listener) || listeners.size > 0) return;
    known.listeners.delete(mark);
    if (known.listeners.size > 0 || known.own) return;
    if (this.#unwanted.size === 0) setTimeout(() => this.#flushUnwanted(), UNSUBSCRIBE_AFTER_MS).unref();
    this.#unwanted.add(channel);
  }

  onGap(listener: () => void): void {
    this.#gapListeners.add(listener);
  }

  expect(ids: OwnIds): void {
    this.#own = new RecentlyHeard(ids);
  }

  surelyUnnotified(topic: string): boolean {
    if (this.#own === undefined || !this.#standing) return false;
    const { channel, mark } = routeOf(topic);
    return isOf(this.#own.stem, channel) && this.#own.nothingOf(mark);
  }

  /** Starts to listen to a channel. For one of this process's own, starts to listen to all of them. */
  #open(name: string): Channel {
    const own = this.#own !== undefined && isOf(this.#own.stem, name) ? this.#own : undefined;
    const names = own === undefined ? [name] : channelsOf(own.stem);
    const subscribed = this.#want(names);
    const make = (): Channel => ({ listeners: new Map(), subscribed, own: own !== undefined });
    for (const each of names) this.#channels.set(each, make());
    const channel = this.#channels.get(name) ?? make();
    this.#channels.set(name, channel);
    return channel;
  }

  #want(channels: readonly string[]): Promise<void> {
    const subscribed = new Promise<void>((resolve, reject) => {
      this.#wanted.push({ channels, resolve, reject });
    });
    subscribed.catch(() => undefined); // the subscriber gets the error from the returned promise
    if (this.#wanted.length === 1) queueMicrotask(() => void this.#flushWanted());
    return subscribed;
  }

  async #flushWanted(): Promise<void> {
    const link = this.params.subscriber();
    this.#wire(link.client);
    const connected = await settled(link.ready());
    const wanted = this.#wanted;
    this.#wanted = [];
    const names = wanted.flatMap((w) => w.channels);
    const outcome = connected ?? (await settled(this.#subscribe(link.client, names)));
    for (const w of wanted) outcome === undefined ? w.resolve() : w.reject(outcome.error);
  }

  /** Rejects when the connection is lost meanwhile. The channels stay in the map, to be subscribed to again. */
  async #subscribe(client: RedisClient, names: readonly string[]): Promise<void> {
    const losses = this.#losses;
    const channels = names.map((name) => this.params.channelPrefix + name);
    for (let i = 0; i < channels.length; i += AT_ONCE) {
      const some = channels.slice(i, i + AT_ONCE);
      await (this.params.sharded ? client.ssubscribe(...some) : client.subscribe(...some));
    }
    if (this.#losses !== losses) throw new Error('Connection is closed.');
    const own = this.#own;
    if (own !== undefined && names.some((name) => isOf(own.stem, name))) own.begin();
    for (const name of names) {
      const channel = this.#channels.get(name);
      // A subscription that failed while the connection was away is confirmed now.
      if (channel !== undefined) channel.subscribed = Promise.resolve();
    }
    this.#standing = true;
  }

  #wire(client: RedisClient): void {
    if (this.#wired) return;
    this.#wired = true;
    const skip = this.params.channelPrefix.length;
    client.on(this.params.sharded ? 'smessage' : 'message', (channel: string, payload: string) =>
      this.#deliver(channel.slice(skip), payload),
    );
    client.on('ready', () => void this.#resubscribe(client));
    client.on('close', () => {
      this.#losses++;
      this.#standing = false;
      this.#own?.end();
    });
  }

  #deliver(name: string, payload: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    eachNotice(payload, (mark, value) => {
      if (channel.own) this.#own?.note(mark);
      const listeners = channel.listeners.get(mark);
      if (listeners !== undefined) for (const listener of listeners) listener(value);
    });
  }

  /** After a reconnect: subscribes to all channels again, and notifies the gap listeners. */
  async #resubscribe(client: RedisClient): Promise<void> {
    if (this.#losses === 0) return;
    const names = [...this.#channels.keys()];
    if (names.length > 0 && (await settled(this.#subscribe(client, names))) !== undefined) return; // lost again
    for (const listener of this.#gapListeners) listener();
  }

  #flushUnwanted(): void {
    const idle = [...this.#unwanted].filter((name) => this.#channels.get(name)?.listeners.size === 0);
    this.#unwanted.clear();
    this.#leave(idle);
  }

  /** Keeps this process's own channels for a while after their last use, so that the next wait needs no subscription. */
  #keepOwn(): void {
    this.#ownUsed = true;
    this.#ownTimer ??= setTimeout(() => this.#leaveOwn(), OWN_IDLE_MS).unref();
  }

  #leaveOwn(): void {
    this.#ownTimer = undefined;
    const own = [...this.#channels].filter(([, channel]) => channel.own);
    if (this.#ownUsed || own.some(([, channel]) => channel.listeners.size > 0)) {
      this.#keepOwn();
      this.#ownUsed = false;
      return;
    }
    this.#own?.end();
    this.#leave(own.map(([name]) => name));
  }

  #leave(names: readonly string[]): void {
    if (names.length === 0) return;
    for (const name of names) this.#channels.delete(name);
    const { client } = this.params.subscriber();
    if (!isReady(client)) return;
    const channels = names.map((name) => this.params.channelPrefix + name);
    const gone = this.params.sharded ? client.sunsubscribe(...channels) : client.unsubscribe(...channels);
    // The connection may close first, and the subscription with it.
    gone.catch(() => undefined);
  }
}

/** Delay that lets channels whose waits end close together be left in one command, ms. */
const UNSUBSCRIBE_AFTER_MS = 100;
const OWN_IDLE_MS = 10_000;
/** Channels per command: more would block the broker for too long. */
const AT_ONCE = 1_000;

async function settled(work: Promise<void>): Promise<{ error: unknown } | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return { error };
  }
}
