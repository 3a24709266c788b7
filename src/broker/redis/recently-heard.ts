/**
 * Remembers the notices of this process's own ids: for which ids every notice so far was received, and which notices
 * arrived before a waiter. So a wait for a task that was just sent need not read the task.
 */
import type { OwnIds } from '../../protocol/ids.js';

/** Notices remembered per generation; there are two generations. */
const REMEMBERED = 5_000;

export class RecentlyHeard {
  /** Ids from this counter on are covered: the subscription was confirmed before they were made. */
  #from = Number.POSITIVE_INFINITY;
  #recent = new Set<string>();
  #recentFrom = 0;
  #older: ReadonlySet<string> = new Set();

  constructor(private readonly ids: OwnIds) {}

  get stem(): string {
    return this.ids.stem;
  }

  /** The subscription is confirmed from now on. */
  begin(): void {
    this.#from = this.ids.made;
    this.#recentFrom = this.#from;
    this.#recent = new Set();
    this.#older = new Set();
  }

  /** The subscription is lost. */
  end(): void {
    this.#from = Number.POSITIVE_INFINITY;
  }

  note(mark: string): void {
    this.#recent.add(mark);
    if (this.#recent.size < REMEMBERED) return;
    // Ids whose notices are forgotten are no longer covered.
    this.#from = Math.max(this.#from, this.#recentFrom);
    this.#recentFrom = this.ids.made;
    this.#older = this.#recent;
    this.#recent = new Set();
  }

  /** True if there was certainly no notice of this id since it was made. */
  nothingOf(mark: string): boolean {
    return Number.parseInt(mark, 36) >= this.#from && !this.#recent.has(mark) && !this.#older.has(mark);
  }
}
