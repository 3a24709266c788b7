/**
 * Sends events to the fleet: what happens within a moment leaves together, and nothing is kept for a broker that is
 * away. Texts are numbered, so that whoever listens knows how many it missed.
 */
import { randomBytes } from 'node:crypto';
import { BROADCAST_BYTES, type Engine } from '../broker/broker.js';
import type { AppEvent } from './names.js';

/** Events wait this long for others, ms. */
const GATHER_MS = 20;
/** More than this are not kept while a batch is on its way. */
const MOST_WAITING = 2_000;

export class Publisher {
  /** This publisher's name on the wire. */
  readonly id = randomBytes(6).toString('base64url');
  #waiting: AppEvent[] = [];
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(private readonly engine: Engine) {}

  publish(event: AppEvent): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#next++; // counted as lost by those who listen
      return;
    }
    this.#waiting.push(event);
    // A script that is otherwise done stays for this.
    this.#release ??= this.engine.hold();
    if (this.#sending === undefined) this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
  }

  /** Sends what waits. Never rejects. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#sending !== undefined) await this.#sending;
    if (this.#waiting.length === 0) return;
    this.#sending = this.#send(this.#waiting.splice(0));
    await this.#sending;
    this.#sending = undefined;
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
    else {
      this.#release?.();
      this.#release = undefined;
    }
  }

  async #send(events: readonly AppEvent[]): Promise<void> {
    const at = this.#next;
    this.#next += events.length;
    try {
      await this.engine.broadcast.publish(packets(this.id, at, events));
    } catch {
      // The broker is away. Their numbers tell listeners how many are missing.
    }
  }
}

/** As few texts as hold them, in their order. */
function packets(from: string, at: number, events: readonly AppEvent[]): string[] {
  const texts: string[] = [];
  const room = BROADCAST_BYTES - packet(from, Number.MAX_SAFE_INTEGER, []).length;
  let parts: string[] = [];
  let bytes = 0;
  let first = at;
  events.forEach((event, index) => {
    const part = JSON.stringify(event);
    const size = Buffer.byteLength(part) + 1;
    if (bytes + size > room && parts.length > 0) {
      texts.push(packet(from, first, parts));
      parts = [];
      bytes = 0;
      first = at + index;
    }
    if (size > room) {
      // Ids and names without end: left out, and counted as lost by the gap in the numbers.
      first = at + index + 1;
      return;
    }
    parts.push(part);
    bytes += size;
  });
  if (parts.length > 0) texts.push(packet(from, first, parts));
  return texts;
}

function packet(from: string, at: number, parts: readonly string[]): string {
  return `{"from":"${from}","at":${at},"events":[${parts.join(',')}]}`;
}
