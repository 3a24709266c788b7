/**
 * Notes the queues that a process sends to in the list of those in use: at its first call, and now and then as long as it
 * calls, since what nobody notes for months is taken off the list. Costs a call one look at the clock.
 */
import { LRUCache } from 'lru-cache';

/** A queue that is in use is noted again after so long, ms. */
const AGAIN_MS = 6 * 3_600_000;

/** Of more queues than this, those that were not called for longest are noted again at their next call. */
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

  /** A call goes to this queue. Best effort: workers note their queues again and again, and the next call does. */
  used(queue: string): void {
    const notedAt = this.#notedAt.get(queue);
    const now = this.now();
    if (notedAt !== undefined && now - notedAt < AGAIN_MS) return;
    this.#notedAt.set(queue, now);
    this.note(queue).catch(() => this.#notedAt.delete(queue));
  }
}
