/**
 * Watchdog for the fetch loop of a consumer: each step announces when the next is due. A late step means that the loop is
 * stuck (a wait that never returns, a frozen broker) or has died.
 */

/** A fetch takes milliseconds; after this long the broker is not answering. */
const FETCH_MS = 10_000;
/** A wait for a job ends by itself; this much later it is stuck. */
const GRACE_MS = 5_000;
/** Longest pause between two steps. BullMQ itself may pause for 30 s when a whole queue has a rate limit. */
const PAUSE_MS = 45_000;

export class FetchWatchdog {
  /** When the next step is due, on this process's steady clock, ms. */
  #dueAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** How late the next step is, ms; 0 while it is not late. */
  get lateMs(): number {
    return Math.max(0, performance.now() - this.#dueAt);
  }

  /** A fetch begins. */
  fetching(): void {
    this.#expect(FETCH_MS);
  }

  /** A wait of at most `timeoutMs` begins. */
  waiting(timeoutMs: number): void {
    this.#expect(timeoutMs + GRACE_MS);
  }

  /** A step ended. */
  turned(): void {
    this.#expect(PAUSE_MS);
  }

  /** Stops the watchdog: no more steps will follow. */
  stop(): void {
    this.#stopped = true;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #expect(ms: number): void {
    if (!this.#stopped) this.#dueAt = performance.now() + ms;
  }
}
