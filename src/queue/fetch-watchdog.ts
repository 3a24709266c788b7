/**
 * Whether a consumer still turns: every step of its fetching says how soon the next one is due. One that is late is
 * connected but deaf (a wait that never returns, a broker that is frozen), or its loop has died.
 */

/** A fetch takes milliseconds; this much means that nobody answers. */
const FETCH_MS = 10_000;
/** A wait for a job ends by itself; this much later it has not. */
const GRACE_MS = 5_000;
/** Between two steps; BullMQ itself may pause for 30 s when somebody limits the rate of a whole queue. */
const PAUSE_MS = 45_000;

export class FetchWatchdog {
  /** On this process's steady clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** How late the next step is, ms; 0 while it is not. */
  get lateMs(): number {
    return Math.max(0, performance.now() - this.#dueAt);
  }

  fetching(): void {
    this.#expect(FETCH_MS);
  }

  waiting(timeoutMs: number): void {
    this.#expect(timeoutMs + GRACE_MS);
  }

  /** A step ended. */
  turned(): void {
    this.#expect(PAUSE_MS);
  }

  /** No more steps are to come. */
  stop(): void {
    this.#stopped = true;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #expect(ms: number): void {
    if (!this.#stopped) this.#dueAt = performance.now() + ms;
  }
}
