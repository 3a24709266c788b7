/** A bounded sample of durations: the latest ones, and their percentiles. */
export class Samples {
  readonly #values: number[] = [];
  #at = 0;

  constructor(private readonly most: number) {}

  add(value: number): void {
    this.#values[this.#at] = value;
    this.#at = (this.#at + 1) % this.most;
  }

  /** `null` without any. @param part 0.5 for the median */
  percentile(part: number): number | null {
    const sorted = [...this.#values].sort((a, b) => a - b);
    const at = Math.min(sorted.length - 1, Math.floor(part * sorted.length));
    return sorted[at] ?? null;
  }

  clear(): void {
    this.#values.length = 0;
    this.#at = 0;
  }
}
