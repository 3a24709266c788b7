/** Remembers which processes' ids have listeners, from the answers to earlier notices. */
import { stemOf } from '../notice-channels.js';

/** Most stems remembered. Beyond this the cache is cleared and learns again. */
const MOST = 1_000;

export class ListenerCache {
  readonly #listenedTo = new Set<string>();

  /** Whether the last notice on this channel, or on another of the same process's ids, reached a listener. */
  has(channel: string): boolean {
    return this.#listenedTo.has(stemOf(channel));
  }

  /** Records the answer to a notice. @param listeners how many connections the notice reached */
  note(channel: string, listeners: number): void {
    const stem = stemOf(channel);
    if (listeners === 0) this.#listenedTo.delete(stem);
    else if (!this.#listenedTo.has(stem)) {
      if (this.#listenedTo.size >= MOST) this.#listenedTo.clear();
      this.#listenedTo.add(stem);
    }
  }
}
