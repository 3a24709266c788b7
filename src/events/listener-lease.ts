/**
 * Whether anybody in the fleet listens to events. A listener writes a record with a short life, renews it, and tells
 * of it once; those who publish hear that, and look again while they publish. So nothing is asked while nobody listens.
 */
import type { Engine } from '../broker/broker.js';

const KEY = 'events';
/** The topic that says "somebody listens now". */
const TOPIC = '~events';
/** A listener that died is published to for this long. */
const LEASE_MS = 15_000;
const RENEW_MS = 5_000;

/** Announces a listener and renews that; the returned function ends it. Rejects when the broker is out of reach. */
export async function announceListener(engine: Engine): Promise<() => void> {
  const { records, signals } = engine;
  await renew();
  // What fails here is tried again; publishers go on for the rest of the lease.
  const timer = setInterval(() => void renew().catch(() => undefined), RENEW_MS).unref();
  return () => clearInterval(timer);

  async function renew(): Promise<void> {
    if (await records.create(KEY, '', LEASE_MS)) {
      signals.notify(TOPIC);
      return;
    }
    const [record] = await records.read([KEY]);
    // Where it was renewed in between by somebody else, that is as good.
    if (record !== undefined) await records.replace(KEY, record.version, '', LEASE_MS);
  }
}

/** The publisher's side: follows whether somebody listens. */
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

  /** As far as this process knows. */
  get wanted(): boolean {
    return this.#wanted;
  }

  /** Looks once. Never rejects: events are not worth a failed call. */
  async look(): Promise<void> {
    try {
      const [record] = await this.engine.records.read([KEY]);
      this.#set(record !== undefined);
    } catch {
      // Out of reach: the next look tells.
    }
  }

  /** From now on hears at once when somebody begins to listen. Idempotent. */
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
