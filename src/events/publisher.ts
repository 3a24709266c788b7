/**
 * Publishes events to the fleet: events within a moment leave together, and none are kept for an unavailable broker.
 * Texts are numbered, so that listeners know how many they missed.
 */
import { randomBytes } from 'node:crypto';
import { BROADCAST_BYTES, type Engine } from '../broker/broker.js';
import type { AppEvent } from './names.js';

/** How long an event waits for others, ms. */
const GATHER_MS = 20;
/** Most events kept while a batch is being sent. */
const MOST_WAITING = 2_000;

export class Publisher {
  /** This publisher's id on the wire. */
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
    // Keeps a script alive until its events are sent.
    this.#release ??= this.engine.hold();
    if (this.#sending === undefined) this.#timer ??= setTimeout(() => void this.flush(), GATHER_MS);
  }

  /** Sends the waiting events. Never rejects. */
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
      // The broker is unavailable. The numbering shows listeners how many are missing.
    }
  }
}

/** Packs the events, in order, into as few texts as possible. */
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
      // Ids and names have no length limit: too long an event is left out and counts as lost by the gap in the
      // numbers.
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
