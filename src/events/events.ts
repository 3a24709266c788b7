/**
 * The events of one app in one process: delivers what happens here to listeners here (`app.on`), to loops here
 * (`app.events`) and, while the fleet has listeners, to the fleet. Otherwise a task pays one look at `active`.
 */

import type { Engine } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { AppClosedError } from '../errors.js';
import type { Logger } from '../options/logger.js';
import { checkNames } from '../options/names.js';
import type { EventDetails } from '../tasks/event-details.js';
import { EventStream } from './event-stream.js';
import { ListenerLease } from './listener-lease.js';
import { Listeners } from './listeners.js';
import type { AppEvent, EventListener, EventMap, EventName, EventsOptions, LifecycleEvent } from './names.js';
import { Publisher } from './publisher.js';

export interface EventsParams {
  readonly engine: Engine;
  readonly clock: BrokerClock;
  readonly logger: () => Logger;
  /** What events have beside what happened, if they have anything. */
  readonly details: EventDetails | undefined;
  /** Reads the fields of an event that were sealed. Throws for those of another serializer. */
  opener(): (sealed: unknown) => unknown;
}

/** Minimum age of a calling process before it opens a connection to follow listeners, ms. */
const FOLLOW_AFTER_MS = 1_000;
/** Longest wait for the last events on leaving, ms. */
const FLUSH_MS = 1_000;

export class Events {
  /** True while there are listeners. */
  active = false;
  /** Calls await this: a loop that is just starting in this process must miss nothing. */
  settling: Promise<unknown> | undefined;
  readonly #listeners: Listeners;
  readonly #listenerLease: ListenerLease;
  readonly #publisher: Publisher;
  readonly #streams = new Set<EventStream>();
  /** Tasks being sent. */
  readonly #onTheWay = new Map<string, EventMap['task-sent']>();
  readonly #activated = new Set<() => void>();
  #met: Promise<void> | undefined;
  #followTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(private readonly params: EventsParams) {
    this.#listeners = new Listeners(params.logger, () => this.#reckon());
    this.#listenerLease = new ListenerLease(params.engine, () => this.#reckon());
    this.#publisher = new Publisher(params.engine);
  }

  /** What events have beside what happened, if they have anything. */
  get details(): EventDetails | undefined {
    return this.params.details;
  }

  /** `app.on`. */
  on<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    return this.#listeners.add(name, listener);
  }

  /**
   * `app.events`.
   * @param holds whether a loop that waits keeps the process alive
   */
  stream(options: EventsOptions, { holds = true }: { holds?: boolean } = {}): EventStream {
    checkNames(options, ['signal'], 'app.events');
    if (this.#closed) throw new AppClosedError();
    const { engine, clock } = this.params;
    const stream: EventStream = new EventStream({
      engine,
      clock,
      opener: () => this.params.opener(),
      ownId: this.#publisher.id,
      signal: options.signal,
      holds,
      onEnd: () => {
        this.#streams.delete(stream);
        this.#reckon();
      },
    });
    if (options.signal?.aborted) return stream;
    this.#streams.add(stream);
    this.#reckon();
    const settling = Promise.all([stream.started, this.#listenerLease.follow()]).then(() => {
      if (this.settling === settling) this.settling = undefined;
    });
    this.settling = settling;
    return stream;
  }

  /**
   * Publishes an event of this process.
   * @param published what the fleet gets of it
   */
  emit(event: AppEvent, published = event): void {
    // A worker in this process may be faster than the broker's answer to the call.
    if (event.type === 'task-received') this.#sent(event.id);
    this.#deliver(event, published);
  }

  /** Delivers an event to the listeners and loops of this process alone. */
  emitHere(event: AppEvent): void {
    this.#listeners.call(event);
    for (const stream of this.#streams) stream.take(event);
  }

  /** As `emit`; resolves when all listeners of this process have finished. Never rejects. */
  announce(event: AppEvent): Promise<void> {
    this.#spread(event);
    return this.#listeners.announce(event);
  }

  /** Tells the listeners of this process of its lifecycle; resolves when all have finished. Never rejects. */
  tell(event: LifecycleEvent): Promise<void> {
    return this.#listeners.announce(event);
  }

  /** Whether this process has listeners of one of these events. */
  hasListeners(names: readonly EventName[]): boolean {
    return this.#listeners.hasAny(names);
  }

  /** Notes a task being sent; the returned function takes whether the broker accepted it. */
  sending(event: EventMap['task-sent']): (taken: boolean) => void {
    this.#onTheWay.set(event.id, event);
    return (taken) => {
      if (taken) this.#sent(event.id);
      else this.#onTheWay.delete(event.id);
    };
  }

  /** First contact of a calling process: asks once whether there are listeners, and follows that later. */
  meet(): Promise<void> {
    this.#met ??= this.#meet();
    return this.#met;
  }

  /** For workers: follows listeners from the start. Never rejects. */
  attach(): Promise<void> {
    return this.#listenerLease.follow();
  }

  /** Calls back each time the first listener appears, and at once if there is one. */
  onActive(listener: () => void): () => void {
    this.#activated.add(listener);
    if (this.active) listener();
    return () => this.#activated.delete(listener);
  }

  /** Resolves when all events so far have been sent, or after a while. */
  async flush(): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_MS).unref());
    await Promise.race([this.#publisher.flush(), late]);
  }

  /** Sends the last events and ends all loops. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#followTimer);
    await this.flush();
    for (const stream of this.#streams) stream.end();
    this.#listenerLease.close();
  }

  async #meet(): Promise<void> {
    this.#followTimer = setTimeout(() => void this.#listenerLease.follow(), FOLLOW_AFTER_MS).unref();
    await this.#listenerLease.look();
  }

  #sent(id: string): void {
    const sent = this.#onTheWay.get(id);
    if (sent === undefined) return;
    this.#onTheWay.delete(id);
    this.#deliver(sent);
  }

  #deliver(event: AppEvent, published = event): void {
    this.#listeners.call(event);
    this.#spread(event, published);
  }

  /** Delivers to the loops of this process and to the fleet. */
  #spread(event: AppEvent, published = event): void {
    for (const stream of this.#streams) stream.take(event);
    if (this.#listenerLease.wanted && !this.#closed) this.#publisher.publish(published);
  }

  #reckon(): void {
    const wasActive = this.active;
    this.active = this.#listeners.any || this.#streams.size > 0 || this.#listenerLease.wanted;
    if (this.active && !wasActive) for (const listener of [...this.#activated]) listener();
  }
}
