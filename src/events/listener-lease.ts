/**
 * Whether the fleet has event listeners. A listener writes a record with a short life, renews it, and publishes one
 * notice. Publishers receive that notice, and check the record while they publish. Without listeners nothing is
 * polled.
 */
import type { Engine } from '../broker/broker.js';

const KEY = 'events';
/** Topic of the notice that a listener has started. */
const TOPIC = '~events';
/** How long publishers go on for a listener that died, ms. */
const LEASE_MS = 15_000;
const RENEW_MS = 5_000;

/**
 * Announces a listener and renews the lease; the returned function stops that. Rejects when the broker is
 * unreachable.
 */
export async function announceListener(engine: Engine): Promise<() => void> {
  const { records, signals } = engine;
  await renew();
  // A failed renewal is retried; publishers go on for the rest of the lease.
  const timer = setInterval(() => void renew().catch(() => undefined), RENEW_MS).unref();
  return () => clearInterval(timer);

  async function renew(): Promise<void> {
    if (await records.create(KEY, '', LEASE_MS)) {
      signals.notify(TOPIC);
      return;
    }
    const [record] = await records.read([KEY]);
    // A renewal by another listener in between serves as well.
    if (record !== undefined) await records.replace(KEY, record.version, '', LEASE_MS);
  }
}

/** The publisher's side: follows whether there are listeners. */
export class ListenerLease {
  #wanted = false;
  #timer: NodeJS.Timeout | undefined;
  #subscribing: Promise<void> | undefined;
  #closed = false;
  readonly #onNotice = () => this.#set(true);

  constructor(
    private readonly engine: Engine,
    private readonly changed: () => void,
  ) {}

  /** True while there are listeners, as far as this process knows. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Checks once. Never rejects: events must not fail a call. */
  async look(): Promise<void> {
    try {
      const [record] = await this.engine.records.read([KEY]);
      this.#set(record !== undefined);
    } catch {
      // Unreachable: the next check decides.
    }
  }

  /** Follows new listeners from now on. Idempotent. */
  follow(): Promise<void> {
    this.#subscribing ??= this.#follow();
    return this.#subscribing;
  }

  close(): void {
    this.#closed = true;
    this.#set(false);
    if (this.#subscribing !== undefined) this.engine.signals.unsubscribe(TOPIC, this.#onNotice);
  }

  async #follow(): Promise<void> {
    const { signals } = this.engine;
    try {
      await signals.subscribe(TOPIC, this.#onNotice);
    } catch {
      this.#subscribing = undefined;
      return;
    }
    signals.onGap(() => void this.look());
    await this.look();
  }

  #set(wanted: boolean): void {
    const now = wanted && !this.#closed;
    if (this.#wanted === now) return;
    this.#wanted = now;
    clearInterval(this.#timer);
    if (now) this.#timer = setInterval(() => void this.look(), RENEW_MS).unref();
    this.changed();
  }
}
