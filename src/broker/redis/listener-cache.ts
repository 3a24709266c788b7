/** Which processes' ids somebody listens for, as far as the answers to earlier notices say. */
import { stemOf } from '../notice-channels.js';

/** So many processes' ids are remembered; beyond it all are forgotten, and learned again. */
const MOST = 1_000;

export class ListenerCache {
  readonly #listenedTo = new Set<string>();

  /** Whether a notice by this channel, or another of the same process's ids, was heard by somebody last time. */
  has(channel: string): boolean {
    return this.#listenedTo.has(stemOf(channel));
  }

  /** @param listeners how many connections the last notice reached */
  note(channel: string, listeners: number): void {
    const stem = stemOf(channel);
    if (listeners === 0) this.#listenedTo.delete(stem);
    else if (!this.#listenedTo.has(stem)) {
      if (this.#listenedTo.size >= MOST) this.#listenedTo.clear();
      this.#listenedTo.add(stem);
    }
  }
}
