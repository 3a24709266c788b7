/**
 * Requests of one tick that Redis can answer together, such as the writes of several parts to the record of one workflow.
 * They leave at the end of the tick's microtasks, so nothing waits for more to come.
 */

interface Asked<Item, Reply> {
  readonly item: Item;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

export class Joined<Item, Reply> {
  #asked = new Map<string, Asked<Item, Reply>[]>();
  readonly #flush = () => {
    const all = this.#asked;
    this.#asked = new Map();
    for (const [key, asked] of all) for (const some of this.#divided(asked)) this.#send(key, some);
  };

  constructor(
    /** What a request weighs; those that go together weigh at most `most`, or are one. */
    private readonly weigh: (item: Item) => number,
    private readonly most: number,
    /** Sends requests about one key; gives a reply for each, in their order. */
    private readonly send: (key: string, items: readonly Item[]) => Promise<readonly Reply[]>,
  ) {}

  ask(key: string, item: Item): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#asked.size === 0) process.nextTick(this.#flush);
      const asked = this.#asked.get(key);
      if (asked === undefined) this.#asked.set(key, [{ item, resolve, reject }]);
      else asked.push({ item, resolve, reject });
    });
  }

  *#divided(asked: readonly Asked<Item, Reply>[]): Generator<Asked<Item, Reply>[]> {
    let some: Asked<Item, Reply>[] = [];
    let weight = 0;
    for (const one of asked) {
      const more = this.weigh(one.item);
      if (some.length > 0 && weight + more > this.most) {
        yield some;
        some = [];
        weight = 0;
      }
      some.push(one);
      weight += more;
    }
    yield some;
  }

  #send(key: string, asked: readonly Asked<Item, Reply>[]): void {
    this.send(
      key,
      asked.map(({ item }) => item),
    ).then(
      (replies) => {
        for (const [i, { resolve }] of asked.entries()) resolve(replies[i] as Reply);
      },
      (error: unknown) => {
        for (const { reject } of asked) reject(error);
      },
    );
  }
}
