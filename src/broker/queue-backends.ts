/**
 * BullMQ's backends of the queues a process calls, which are made anew at no cost worth mentioning: those in use are kept,
 * and not one for each queue there ever was. Queues may be as many as an app has customers.
 */
import type { IQueueBackend } from 'bullmq';
import { LRUCache } from 'lru-cache';

/** So many queues are at hand at once. */
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
