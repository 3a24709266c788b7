/**
 * Notices on their way out. Those that somebody is known to listen for leave with the write they tell of; the others,
 * which are most where nobody awaits results, wait a moment for company, since a command each would be a tenth of what a
 * task costs its worker. What is lost with a process that dies meanwhile, the waiters' sweep finds.
 */

import type { JobRef } from '../broker.js';
import { routeOf } from '../notice-channels.js';
import type { RedisConnection } from './connection.js';
import { ListenerCache } from './listener-cache.js';
import { Notice, sendNotices } from './notice-script.js';

export interface OutboxParams {
  /** The connection notices leave by: the worker's own, so that a notice follows the write it tells of. */
  readonly link: () => RedisConnection;
  readonly command: 'publish' | 'spublish';
  readonly channelPrefix: string;
  readonly jobKey: (job: JobRef) => string;
}

/** How long a notice that nobody is known to listen for waits, ms: what the first wait for somebody's tasks takes longer. */
const COMPANY_MS = 5;
/** So many leave without waiting longer. */
const MOST = 200;
const HINT_EVERY_MS = 200;

export class NoticeOutbox {
  readonly #audience = new ListenerCache();
  #urgent = new Map<string, Notice[]>();
  #unheard = new Map<string, Notice[]>();
  #unheardCount = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the last hint went out, on this process's steady clock. */
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
        // After the microtasks: whatever write this notice tells of has been handed to the connection by then.
        process.nextTick(this.#flushUrgent);
      }
      // An id of a caller's own may be used again, and a value told late would be the other task's.
      const jobKey = ended === undefined || mark === '' ? undefined : this.params.jobKey(ended);
      put(this.#urgent, channel, new Notice(mark, jobKey));
      return;
    }
    put(this.#unheard, channel, new Notice(mark, undefined));
    if (++this.#unheardCount >= MOST) process.nextTick(this.#flushUnheard);
    else this.#timer ??= setTimeout(this.#flushUnheard, COMPANY_MS).unref();
  }

  hint(topic: string): void {
    const now = performance.now();
    // Now and then one goes out: its answer says whether somebody has begun to listen.
    if (now - this.#hintedAt < HINT_EVERY_MS && !this.#audience.has(routeOf(topic).channel)) return;
    this.#hintedAt = now;
    this.notify(topic, undefined);
  }

  /** Nothing waits any longer. */
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
      () => undefined, // best effort: a notice that cannot be sent is found by the waiters' sweep
    );
  }
}

function put(outbox: Map<string, Notice[]>, channel: string, notice: Notice): void {
  const notices = outbox.get(channel);
  if (notices === undefined) outbox.set(channel, [notice]);
  else notices.push(notice);
}
