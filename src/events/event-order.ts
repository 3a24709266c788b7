/**
 * Callers and workers publish on their own, so "received" may outrun "sent", and a caller that has just begun may not
 * know yet that somebody listens. A worker's `task-received` says all that `task-sent` would: where that is missing it
 * is made from it, and what comes late is dropped. So each task is sent once, and first.
 */
import type { AppEvent, EventMap } from './names.js';

/** So many sent tasks are remembered; of older ones nothing is made up. */
const REMEMBERED = 10_000;

export class EventOrder {
  /** Task ids, and when they were sent; oldest first. */
  readonly #sent = new Map<string, number>();
  #since: number;

  /** @param since tasks sent before are none of this listener's, epoch ms by the broker's clock */
  constructor(since: number) {
    this.#since = since;
  }

  arrange(event: AppEvent): AppEvent[] {
    if (event.type === 'task-sent') return this.#note(event.id, event.timestamp) ? [event] : [];
    if (event.type !== 'task-received') return [event];
    const { id, sentAt } = event;
    if (sentAt < this.#since || !this.#note(id, sentAt)) return [event];
    return [sentOf(event), event];
  }

  /** `false` when it is known already. */
  #note(id: string, sentAt: number): boolean {
    if (this.#sent.has(id)) return false;
    this.#sent.set(id, sentAt);
    if (this.#sent.size > REMEMBERED) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    for (const [id, sentAt] of this.#sent) {
      this.#sent.delete(id);
      this.#since = Math.max(this.#since, sentAt + 1);
      return;
    }
  }
}

function sentOf(received: EventMap['task-received']): EventMap['task-sent'] {
  const { id, name, queue, rootId, parentId, eta, expires, sentAt } = received;
  return {
    type: 'task-sent',
    timestamp: sentAt,
    id,
    name,
    queue,
    rootId,
    ...(parentId !== undefined && { parentId }),
    ...(eta !== undefined && { eta }),
    ...(expires !== undefined && { expires }),
  };
}
