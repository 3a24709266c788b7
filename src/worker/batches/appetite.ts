/**
 * How many calls a collecting batch lets its queue fetch at once without slots of their own: as many as it lacks. Once a
 * fetch brought what belongs to no batch, and had to be put back, it begins with few, and doubles with each batch.
 */
import type { Appetite } from '../../queue/delivery.js';

export class BatchAppetite implements Appetite {
  #most = Number.POSITIVE_INFINITY;
  #underWay = 0;

  constructor(
    /** How many calls the batch lacks. */
    private readonly lacks: () => number,
    /** Called when no fetch is under way any more. */
    private readonly onFed: () => void,
  ) {}

  /** Fetches under way. */
  get underWay(): number {
    return this.#underWay;
  }

  wants(): boolean {
    if (this.#underWay >= Math.min(this.#most, this.lacks())) return false;
    this.#underWay++;
    return true;
  }

  fed(): void {
    this.#underWay--;
    if (this.#underWay === 0) this.onFed();
  }

  /** A batch has begun. */
  grow(): void {
    this.#most *= 2;
  }

  /** A fetch brought what belongs to no batch. */
  spoil(): void {
    this.#most = 1;
  }
}
