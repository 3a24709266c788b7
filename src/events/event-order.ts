/**
 * Orders the events of a task. Callers and workers publish independently, so `task-received` may arrive before
 * `task-sent`, and a new caller may not know yet that there are listeners. A `task-received` contains everything of a
 * `task-sent`: a missing `task-sent` is made from it, and a late one is dropped. So each task is reported sent
 * exactly once, and first.
 */
import type { AppEvent, EventMap } from './names.js';

/** The number of sent tasks remembered; for older ones nothing is made up. */
const REMEMBERED = 10_000;

export class EventOrder {
  /** Task ids and when they were sent, oldest first. */
  readonly #sent = new Map<string, number>();
  #since: number;

  /** @param since tasks sent before this are not reported, epoch ms by the broker's clock */
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

  /** `false` when the task was known before. */
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
  const { id, name, queue, rootId, parentId, eta, expires, sentAt, args } = received;
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
    ...(args !== undefined && { args }),
  };
}
