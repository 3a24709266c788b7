/**
 * What this process has heard of the ids it made itself: for which of them every notice so far must have been heard, and
 * which notices came before anybody waited. So a wait for a task that was just sent needs no look at the broker.
 */
import type { OwnIds } from '../../protocol/ids.js';

/** Notices remembered a generation; there are two. */
const REMEMBERED = 5_000;

export class RecentlyHeard {
  /** Ids made from this one on are covered: the subscription stood before they existed. */
  #from = Number.POSITIVE_INFINITY;
  #recent = new Set<string>();
  #recentFrom = 0;
  #older: ReadonlySet<string> = new Set();

  constructor(private readonly ids: OwnIds) {}

  get stem(): string {
    return this.ids.stem;
  }

  /** The subscription stands from now on. */
  begin(): void {
    this.#from = this.ids.made;
    this.#recentFrom = this.#from;
    this.#recent = new Set();
    this.#older = new Set();
  }

  /** It no longer does. */
  end(): void {
    this.#from = Number.POSITIVE_INFINITY;
  }

  note(mark: string): void {
    this.#recent.add(mark);
    if (this.#recent.size < REMEMBERED) return;
    // What is forgotten is no longer vouched for.
    this.#from = Math.max(this.#from, this.#recentFrom);
    this.#recentFrom = this.ids.made;
    this.#older = this.#recent;
    this.#recent = new Set();
  }

  /** Whether there was no notice of this id since it was made. */
  nothingOf(mark: string): boolean {
    return Number.parseInt(mark, 36) >= this.#from && !this.#recent.has(mark) && !this.#older.has(mark);
  }
}
