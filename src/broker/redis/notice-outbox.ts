/**
 * Outgoing notices. A notice with known listeners leaves together with its write. Other notices, which are the most where
 * no caller awaits results, are batched for 5 ms, since one command for each would be a tenth of the cost of a task. If
 * the process dies meanwhile, the waiters' sweep makes up for the lost notices.
 */

import type { JobRef } from '../broker.js';
import { routeOf } from '../notice-channels.js';
import type { RedisConnection } from './connection.js';
import { ListenerCache } from './listener-cache.js';
import { Notice, sendNotices } from './notice-script.js';

export interface OutboxParams {
  /** The connection that publishes: the worker's own, so that a notice follows its write. */
  readonly link: () => RedisConnection;
  readonly command: 'publish' | 'spublish';
  readonly channelPrefix: string;
  readonly jobKey: (job: JobRef) => string;
}

/** How long a notice without known listeners is held for batching, ms. Delays the first wait for a process's tasks. */
const COMPANY_MS = 5;
/** Batch size at which notices leave at once. */
const MOST = 200;
const HINT_EVERY_MS = 200;

export class NoticeOutbox {
  readonly #audience = new ListenerCache();
  #urgent = new Map<string, Notice[]>();
  #unheard = new Map<string, Notice[]>();
  #unheardCount = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the last hint was published, on this process's steady clock, ms. */
  #hintedAt = Number.NEGATIVE_INFINITY;
  readonly #flushUrgent = () => {
    const outbox = this.#urgent;
    this.#urgent = new Map();
    this.#send(outbox);
  };
  readonly #flushUnheard = () => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const outbox = this.#unheard;
    this.#unheard = new Map();
    this.#unheardCount = 0;
    if (outbox.size > 0) this.#send(outbox);
  };

  constructor(private readonly params: OutboxParams) {}

  notify(topic: string, ended: JobRef | undefined): void {
    const { channel, mark } = routeOf(topic);
    if (this.#audience.has(channel)) {
      if (this.#urgent.size === 0) {
        this.params.link().joinWrites();
        afterWrites(this.#flushUrgent);
      }
      // A caller's own id may be used again, so a late notice could carry the value of another task.
      const jobKey = ended === undefined || mark === '' ? undefined : this.params.jobKey(ended);
      put(this.#urgent, channel, new Notice(mark, jobKey));
      return;
    }
    put(this.#unheard, channel, new Notice(mark, undefined));
    if (++this.#unheardCount >= MOST) afterWrites(this.#flushUnheard);
    else this.#timer ??= setTimeout(this.#flushUnheard, COMPANY_MS).unref();
  }

  hint(topic: string): void {
    const now = performance.now();
    // One hint is published every 200 ms: its answer shows whether there is a listener by now.
    if (now - this.#hintedAt < HINT_EVERY_MS && !this.#audience.has(routeOf(topic).channel)) return;
    this.#hintedAt = now;
    this.notify(topic, undefined);
  }

  /** Publishes all held notices at once. */
  flush(): void {
    this.#flushUnheard();
  }

  #send(outbox: ReadonlyMap<string, readonly Notice[]>): void {
    const { link, command, channelPrefix } = this.params;
    sendNotices(link().client, command, channelPrefix, outbox).then(
      (heard) => {
        let at = 0;
        for (const channel of outbox.keys()) this.#audience.note(channel, heard[at++] ?? 0);
      },
      () => undefined, // best effort: the waiters' sweep makes up for a lost notice
    );
  }
}

/** After the writes of this tick, which go together at the end of its microtasks, have been handed to the connection. */
function afterWrites(send: () => void): void {
  process.nextTick(() => process.nextTick(send));
}

function put(outbox: Map<string, Notice[]>, channel: string, notice: Notice): void {
  const notices = outbox.get(channel);
  if (notices === undefined) outbox.set(channel, [notice]);
  else notices.push(notice);
}
