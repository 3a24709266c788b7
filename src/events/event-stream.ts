/**
 * `app.events()`: one listener to the whole fleet. Buffers a bounded number of events for a busy loop. Events dropped
 * beyond that, or missed by its connection, are reported by number. For each task, `task-sent` comes first.
 */
import { randomBytes } from 'node:crypto';
import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { after } from '../timers.js';
import { EventOrder } from './event-order.js';
import { announceListener } from './listener-lease.js';
import type { AppEvent, FleetEvent } from './names.js';
import { emptyPacket, readPacket } from './packet.js';
import { WorkerWatch } from './worker-watch.js';

export interface EventStreamParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  /** The id of this process's own publisher, whose events are delivered directly. */
  readonly ownId: string;
  readonly signal: AbortSignal | undefined;
  /** Whether a loop that waits keeps the process alive. */
  readonly holds: boolean;
  readonly onEnd: () => void;
  /** See {@link readPacket}. */
  opener(): (sealed: unknown) => unknown;
}

type NextEvent = IteratorResult<FleetEvent, undefined>;

interface PendingNext {
  resolve(step: NextEvent): void;
  reject(error: unknown): void;
}

/** Most events buffered for a busy loop. */
const MOST_KEPT = 10_000;
/** How long a message of this listener may take to come back to it, ms. */
const PROBE_MS = 2_000;
/** Most publishers whose numbering is followed. */
const MOST_PUBLISHERS = 10_000;
const OVER: NextEvent = { done: true, value: undefined };

export class EventStream implements AsyncIterableIterator<FleetEvent> {
  /** Resolves when the listener has been announced to the fleet, or could not be. */
  readonly started: Promise<void>;
  readonly #kept: FleetEvent[] = [];
  readonly #waiting: PendingNext[] = [];
  readonly #next = new Map<string, number>();
  readonly #order: EventOrder;
  readonly #workers: WorkerWatch;
  /** Sender of what comes back to show that this listener hears. */
  readonly #probeId = randomBytes(6).toString('base64url');
  #onProbe: () => void = () => undefined;
  readonly #onText = (text: string) => this.#receive(text);
  readonly #onAbort = () => this.end();
  #lost = 0;
  #failure: { readonly error: unknown } | undefined;
  #withdraw: () => void = () => undefined;
  #release: (() => void) | undefined;
  #ended = false;

  constructor(private readonly params: EventStreamParams) {
    this.#order = new EventOrder(params.clock.now());
    this.#workers = new WorkerWatch({
      now: () => performance.now(),
      probe: () => this.#probe(),
      onLost: (worker) => this.#give({ type: 'worker-lost', timestamp: params.clock.now(), ...worker }),
    });
    const { signal } = params;
    if (signal?.aborted) this.#ended = true;
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.started = this.#ended ? Promise.resolve() : this.#start();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<NextEvent> {
    const value = this.#kept.shift() ?? this.#lossNotice();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve(OVER);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.params.holds) this.#release ??= this.params.engine.hold();
    });
  }

  async return(): Promise<NextEvent> {
    this.end();
    return OVER;
  }

  /** Ends the loop after the buffered events. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.params.signal?.removeEventListener('abort', this.#onAbort);
    this.params.engine.broadcast.unsubscribe(this.#onText);
    this.#withdraw();
    this.#workers.close();
    for (const { resolve } of this.#waiting.splice(0)) resolve(OVER);
    this.#letGo();
    this.params.onEnd();
  }

  /** Takes an event of this process. */
  take(event: AppEvent): void {
    if (!this.#workers.note(event)) return;
    for (const one of this.#order.arrange(event)) this.#give(one);
  }

  async #start(): Promise<void> {
    const { engine, clock } = this.params;
    // Keeps the process alive until the first connection stands, even before the loop waits.
    const release = engine.hold();
    try {
      await clock.sync();
      await engine.broadcast.subscribe(this.#onText);
      const withdraw = await announceListener(engine);
      if (this.#ended) withdraw();
      else this.#withdraw = withdraw;
    } catch (error) {
      this.#fail(error);
    } finally {
      release();
    }
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    const first = this.#waiting.shift();
    if (first === undefined) this.#failure = { error };
    else first.reject(error);
    this.end();
  }

  #receive(text: string): void {
    const packet = readPacket(text, this.params.opener);
    // Any client of the broker may write to the channel.
    if (packet === undefined || packet.from === this.params.ownId) return;
    const { from, at, events } = packet;
    if (from === this.#probeId) {
      this.#onProbe();
      return;
    }
    const expected = this.#next.get(from) ?? at;
    // Moved to the end, so that the publisher silent for longest is forgotten first.
    this.#next.delete(from);
    this.#next.set(from, at + events.length);
    if (this.#next.size > MOST_PUBLISHERS)
      for (const oldest of this.#next.keys()) {
        this.#next.delete(oldest);
        break;
      }
    if (at > expected) this.#lost += at - expected;
    for (const event of events)
      try {
        this.take(event);
      } catch {
        this.#lost++; // written by somebody else, in a form of their own
      }
  }

  /** Whether what this listener publishes comes back to it in time. */
  async #probe(): Promise<boolean> {
    const heard = new Promise<boolean>((resolve) => {
      this.#onProbe = () => resolve(true);
    });
    const late = new Promise<boolean>((resolve) => after(PROBE_MS, () => resolve(false), { ref: false }));
    try {
      await Promise.race([this.params.engine.broadcast.publish([emptyPacket(this.#probeId)]), late]);
      return await Promise.race([heard, late]);
    } catch {
      return false; // the broker is away
    }
  }

  #give(event: FleetEvent): void {
    if (this.#kept.length >= MOST_KEPT) {
      this.#lost++;
      return;
    }
    const notice = this.#lossNotice();
    if (notice !== undefined) this.#hand(notice);
    this.#hand(event);
  }

  #hand(event: FleetEvent): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#kept.push(event);
    else waiting.resolve({ done: false, value: event });
    if (this.#waiting.length === 0) this.#letGo();
  }

  #lossNotice(): FleetEvent | undefined {
    if (this.#lost === 0) return undefined;
    const count = this.#lost;
    this.#lost = 0;
    return { type: 'events-lost', timestamp: this.params.clock.now(), count };
  }

  #letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
