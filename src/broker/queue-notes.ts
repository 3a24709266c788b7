/**
 * Notes the queues that a process sends to in the broker's list of queues in use: at the first call and every six hours
 * while calls go on, since queues that were not noted for months are removed from the list. Costs a call one clock read.
 */
import { LRUCache } from 'lru-cache';

/** How long until a queue in use is noted again, ms. */
const AGAIN_MS = 6 * 3_600_000;

/** Most queues remembered as noted. Beyond this the least recently called are noted again at their next call. */
export const MOST_NOTED = 10_000;

export class QueueNotes {
  readonly #notedAt = new LRUCache<string, number>({ max: MOST_NOTED });

  constructor(
    private readonly note: (queue: string) => Promise<void>,
    /** A steady clock, ms. */
    private readonly now = () => performance.now(),
  ) {}

  get size(): number {
    return this.#notedAt.size;
  }

  /** Notes that a call uses this queue. Best effort: workers note their queues regularly, and so does the next call. */
  used(queue: string): void {
    const notedAt = this.#notedAt.get(queue);
    const now = this.now();
    if (notedAt !== undefined && now - notedAt < AGAIN_MS) return;
    this.#notedAt.set(queue, now);
    this.note(queue).catch(() => this.#notedAt.delete(queue));
  }
}
