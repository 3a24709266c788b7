/**
 * An answer that is asked for once for all who ask at about the same time: ten open pages cost what one does.
 */
export class Memo<R> {
  #answer: Promise<R> | undefined;
  #until = 0;

  /**
   * @param keepMs how long an answer counts, ms from when it was asked for; a failure does not count at all
   * @param idle how much longer than asking it counts at least, so that one that takes long never keeps the broker busy
   */
  constructor(
    private readonly ask: () => Promise<R>,
    private readonly keepMs: number,
    private readonly idle = 0,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get(): Promise<R> {
    const now = this.now();
    if (this.#answer !== undefined && now < this.#until) return this.#answer;
    const answer = this.ask();
    this.#answer = answer;
    this.#until = Number.POSITIVE_INFINITY;
    answer.then(
      () => {
        if (this.#answer === answer)
          this.#until = now + Math.max(this.keepMs, (this.now() - now) * this.idle);
      },
      () => {
        if (this.#answer === answer) this.#answer = undefined;
      },
    );
    return answer;
  }

  /** What was asked for no longer holds: somebody has changed it. */
  forget(): void {
    this.#answer = undefined;
  }
}
