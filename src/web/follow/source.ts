/**
 * One of several async generators that are read side by side. Its next item is asked for when the last one was taken, so
 * a reader that takes nothing costs nothing.
 */
export class Source<T> {
  /** It has ended; with an error if there is one. */
  over = false;
  error: unknown;
  #next: { readonly item: T } | undefined;

  /** @param wake called when there is something to take, and at the end */
  constructor(
    private readonly items: AsyncGenerator<T, void, void>,
    private readonly wake: () => void,
  ) {
    this.#ask();
  }

  /** The next item, if it is there. */
  take(): T | undefined {
    const next = this.#next;
    if (next === undefined) return undefined;
    this.#next = undefined;
    this.#ask();
    return next.item;
  }

  /** Asks for nothing more. Does not wait for the end of what was asked for: the signal of the generator ends that. */
  close(): void {
    this.items.return().catch(() => undefined); // nobody reads it any more
  }

  #ask(): void {
    this.items.next().then(
      ({ done, value }) => {
        if (done === true) this.over = true;
        else this.#next = { item: value };
        this.wake();
      },
      (error: unknown) => {
        this.over = true;
        this.error = error;
        this.wake();
      },
    );
  }
}
