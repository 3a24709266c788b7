/** What was heard so far, for any number of loops: each gets everything from the start, however late it begins. */
export class Log<T> {
  #items: T[] = [];
  /** How many items before `#items` are gone. */
  #gone = 0;
  #end: { readonly error?: Error | undefined } | undefined;
  #waiting: (() => void)[] = [];

  /** @param most items to keep */
  constructor(private readonly most = Number.POSITIVE_INFINITY) {}

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length > this.most) {
      this.#items.shift();
      this.#gone++;
    }
    this.#wake();
  }

  /** Forgets what there is: loops go on with what comes next. */
  clear(): void {
    this.#gone += this.#items.length;
    this.#items = [];
  }

  /** Ends all loops, after what there is. May be called twice: the first end counts. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *read(): AsyncGenerator<T, void, undefined> {
    for (let at = 0; ; ) {
      at = Math.max(at, this.#gone);
      if (at < this.#gone + this.#items.length) yield this.#items[at++ - this.#gone] as T;
      else if (this.#end?.error) throw this.#end.error;
      else if (this.#end) return;
      else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
