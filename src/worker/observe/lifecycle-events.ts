/**
 * The lifecycle events of a worker, of one of its processes or of one of its threads: told to the listeners of this
 * process or thread alone, which are awaited up to a deadline, one event after the other. So what tasks need can be opened
 * before the first and closed after the last.
 */
import { threadId } from 'node:worker_threads';
import type { BrokerClock } from '../../broker/clock.js';
import type { Events } from '../../events/events.js';
import type { LifecycleName, LifecyclePlace } from '../../events/names.js';
import type { Logger } from '../../options/logger.js';
import { within } from '../within.js';

export interface LifecycleEventsParams {
  readonly events: Pick<Events, 'tell'>;
  readonly clock: Pick<BrokerClock, 'now'>;
  readonly logger: Pick<Logger, 'warn'>;
  readonly place: LifecyclePlace;
  node(): string;
}

/** How long listeners are waited for, each time, ms. */
export const LISTENERS_MS = 10_000;

export class LifecycleEvents {
  /** Ends with the listeners of the last event. */
  #last: Promise<void> = Promise.resolve();
  /** The events that are due once, after the next `init`. */
  readonly #due = new Set<LifecycleName>();

  constructor(private readonly params: LifecycleEventsParams) {}

  /** Before anything that tasks need is made; again when a failed start is tried anew. */
  init(): Promise<void> {
    this.#due.add('worker-init').add('worker-ready').add('worker-shutting-down').add('worker-stopped');
    return this.#tell('worker-init');
  }

  /** When tasks are taken. */
  ready(): Promise<void> {
    return this.#tell('worker-ready');
  }

  /** When no more tasks are taken; running ones may go on. */
  shuttingDown(): Promise<void> {
    return this.#tell('worker-shutting-down');
  }

  /** When no task runs any more, and everything else has stopped. */
  stopped(): Promise<void> {
    return this.#tell('worker-stopped');
  }

  /** Never rejects. Each event once for each `init`; a repeated call waits for the first. */
  #tell(type: LifecycleName): Promise<void> {
    if (this.#due.delete(type)) this.#last = this.#last.then(() => this.#await(type));
    return this.#last;
  }

  async #await(type: LifecycleName): Promise<void> {
    const { events, clock, logger, node, place } = this.params;
    const thread = place === 'thread' ? { threadId } : {};
    const event = { type, timestamp: clock.now(), node: node(), pid: process.pid, place, ...thread };
    const heard = events.tell(event).then(() => true);
    if (await within(heard, false, LISTENERS_MS)) return;
    logger.warn(
      { event: type, afterMs: LISTENERS_MS },
      `a listener of app.on('${type}') takes long; the worker goes on without it`,
    );
  }
}
