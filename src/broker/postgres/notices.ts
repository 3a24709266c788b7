/**
 * The Notices port on NOTIFY. A topic's hash selects one of 256 channels. A process listens on a channel only while it
 * waits for a topic there, so it need not read the notices of the whole fleet. The notices of one tick, and those sent
 * while a statement is under way, leave in one statement, with the hashes of a channel packed into one payload.
 */
import { createHash } from 'node:crypto';
import type { NoticeListener, Notices } from '../broker.js';
import type { Notice, PgNotices } from './wire.js';

const HASH_LENGTH = 16;
/** PostgreSQL's limit for a payload is 8,000 bytes. */
const HASHES_A_PAYLOAD = 480;

interface Bucket {
  readonly topics: Map<string, Set<() => void>>;
  readonly handler: (payload: string) => void;
  readonly listening: Promise<void>;
}

export class PgSignals implements Notices {
  /** False: notices and writes use different connections. */
  readonly ordered = false;
  readonly #buckets = new Map<string, Bucket>();
  #outbox = new Set<string>();
  /** A statement is under way; notices given meanwhile leave with the next. */
  #sending = false;
  readonly #channelPrefix: string;

  constructor(
    private readonly notices: () => Promise<PgNotices>,
    private readonly gaps: PgNotices,
    schema: string,
  ) {
    this.#channelPrefix = channelPrefixOf(schema);
  }

  notify(topic: string): void {
    if (this.#outbox.size === 0 && !this.#sending) setImmediate(() => this.#flush());
    this.#outbox.add(hashOf(topic));
  }

  hint(topic: string): void {
    this.notify(topic);
  }

  subscribe(topic: string, listener: NoticeListener): Promise<void> {
    const hash = hashOf(topic);
    const channel = this.#channelOf(hash);
    const bucket = this.#buckets.get(channel) ?? this.#open(channel);
    const listeners = bucket.topics.get(hash);
    if (listeners === undefined) bucket.topics.set(hash, new Set([listener]));
    else listeners.add(listener);
    return bucket.listening;
  }

  unsubscribe(topic: string, listener: NoticeListener): void {
    const hash = hashOf(topic);
    const channel = this.#channelOf(hash);
    const bucket = this.#buckets.get(channel);
    const listeners = bucket?.topics.get(hash);
    if (bucket === undefined || listeners === undefined) return;
    listeners.delete(listener);
    if (listeners.size === 0) bucket.topics.delete(hash);
    if (bucket.topics.size > 0) return;
    this.#buckets.delete(channel);
    this.gaps.unlisten(channel, bucket.handler);
  }

  onGap(listener: () => void): void {
    this.gaps.onGap(listener);
  }

  /** Does nothing: the ids of a process are spread over all channels, so listening ahead would mean all of them. */
  expect(): void {}

  surelyUnnotified(): boolean {
    return false;
  }

  #open(channel: string): Bucket {
    const topics = new Map<string, Set<() => void>>();
    const handler = (payload: string) => deliver(topics, payload);
    const listening = this.#listen(channel, handler);
    const bucket = { topics, handler, listening };
    this.#buckets.set(channel, bucket);
    listening.catch(() => {
      // The subscriber gets the error from the promise; the next subscriber tries again.
      if (this.#buckets.get(channel) === bucket) this.#buckets.delete(channel);
    });
    return bucket;
  }

  async #listen(channel: string, handler: (payload: string) => void): Promise<void> {
    const notices = await this.notices();
    await notices.listen(channel, handler);
    // All listeners unsubscribed while the connection was being made.
    if (this.#buckets.get(channel)?.handler !== handler) notices.unlisten(channel, handler);
  }

  #flush(): void {
    const byChannel = new Map<string, string[]>();
    for (const hash of this.#outbox) {
      const channel = this.#channelOf(hash);
      const hashes = byChannel.get(channel);
      if (hashes === undefined) byChannel.set(channel, [hash]);
      else hashes.push(hash);
    }
    this.#outbox = new Set();
    const batch: Notice[] = [];
    for (const [channel, hashes] of byChannel) {
      for (let i = 0; i < hashes.length; i += HASHES_A_PAYLOAD)
        batch.push({ channel, payload: hashes.slice(i, i + HASHES_A_PAYLOAD).join('') });
    }
    this.#sending = true;
    this.notices()
      .then((notices) => notices.send(batch))
      .catch(() => undefined) // best effort: what was not sent is found by the waiters' sweep
      .finally(() => {
        this.#sending = false;
        if (this.#outbox.size > 0) this.#flush();
      });
  }

  #channelOf(hash: string): string {
    return channelOf(this.#channelPrefix, hash);
  }
}

/** The notice of one topic, for statements that notify by themselves. */
export function noticeOf(schema: string, topic: string): Notice {
  const hash = hashOf(topic);
  return { channel: channelOf(channelPrefixOf(schema), hash), payload: hash };
}

/** The prefix of a schema's channels. Channels are database-wide, so the schema keeps apps apart. */
export function channelPrefixOf(schema: string): string {
  return `celeriac_${hashOf(schema).slice(0, 12)}_`.toLowerCase().replaceAll('-', '_');
}

function deliver(topics: ReadonlyMap<string, ReadonlySet<() => void>>, payload: string): void {
  for (let i = 0; i < payload.length; i += HASH_LENGTH) {
    const listeners = topics.get(payload.slice(i, i + HASH_LENGTH));
    if (listeners !== undefined) for (const listener of [...listeners]) listener();
  }
}

function channelOf(prefix: string, hash: string): string {
  const bucket = Buffer.from(hash.slice(0, 4), 'base64url').readUInt8(0);
  return `${prefix}${bucket.toString(16).padStart(2, '0')}`;
}

/** 96 bits, since topics are strings of any length. A collision costs one needless read. */
function hashOf(topic: string): string {
  return createHash('sha1').update(topic).digest('base64url').slice(0, HASH_LENGTH);
}
