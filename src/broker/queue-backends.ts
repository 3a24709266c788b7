/**
 * A cache of BullMQ's backends for the queues that a process calls. Making one costs little, so only those in use are
 * kept: an app may have as many queues as customers.
 */
import type { IQueueBackend } from 'bullmq';
import { LRUCache } from 'lru-cache';

/** Most backends kept at once. */
export const MOST_BACKENDS = 1_000;

export class QueueBackends {
  readonly #kept = new LRUCache<string, IQueueBackend>({ max: MOST_BACKENDS });

  get size(): number {
    return this.#kept.size;
  }

  get(queue: string): IQueueBackend | undefined {
    return this.#kept.get(queue);
  }

  set(queue: string, backend: IQueueBackend): void {
    this.#kept.set(queue, backend);
  }
}
