/**
 * Which steps, sleeps and waits of a call stand in a race (`Promise.race`, `any`, or an `all` that fails): once one of them
 * has decided it, the task goes on, and must not be parked for the others. A combinator shows itself by its `then`: it
 * gives its own resolving functions, the same ones to each promise whose end would decide it.
 */

/** A step, sleep or wait in its races. */
export interface RaceEntry {
  /** Another one has decided the race: nothing waits for this one any more. */
  decided: boolean;
  /** It stands in an `all`: the success of another one does not let the task go on. */
  inAll: boolean;
}

/** Those that share a resolving function. */
type Field = Set<RaceEntry>;

export class Races {
  readonly #fields = new Map<unknown, Field>();

  enter(): RaceEntry {
    return { decided: false, inAll: false };
  }

  /** Makes a promise show the combinators it is given to. */
  watch<T>(promise: Promise<T>, entry: RaceEntry): Promise<T> {
    const wins = new Set<Field>();
    const losses = new Set<Field>();
    const then = promise.then.bind(promise);
    void then(
      () => decide(wins, entry),
      () => decide(losses, entry),
    );
    const watched = (onFulfilled?: unknown, onRejected?: unknown) => {
      const next = then(onFulfilled as never, onRejected as never);
      // What the task makes of it (`.then(() => 'late')`) stands for it in a race.
      if (!isResolver(onFulfilled)) return this.watch(next, entry);
      this.#join(onFulfilled, entry, wins);
      this.#join(onRejected, entry, losses);
      this.#seeAll(onFulfilled, onRejected);
      return next;
    };
    return Object.defineProperty(promise, 'then', { value: watched, configurable: true, writable: true });
  }

  /** An `all` gives each promise a function of its own for its success, and all of them one for a failure. */
  #seeAll(onFulfilled: unknown, onRejected: unknown): void {
    const together = this.#fields.get(onRejected);
    if (together === undefined || together.size < 2 || (this.#fields.get(onFulfilled)?.size ?? 0) > 1) return;
    for (const entry of together) entry.inAll = true;
  }

  #join(handler: unknown, entry: RaceEntry, fields: Set<Field>): void {
    if (!isResolver(handler)) return;
    const field = this.#fields.get(handler) ?? new Set();
    this.#fields.set(handler, field.add(entry));
    fields.add(field);
  }
}

/** The resolving functions of a combinator are native and have no name; a task's own handlers are neither. */
function isResolver(handler: unknown): boolean {
  if (typeof handler !== 'function' || handler.name !== '') return false;
  return Function.prototype.toString.call(handler).includes('[native code]');
}

function decide(fields: ReadonlySet<Field>, winner: RaceEntry): void {
  for (const field of fields) for (const entry of field) if (entry !== winner) entry.decided = true;
}
