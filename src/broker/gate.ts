/**
 * What stands before a lane: asked before each fetch, so that what may not start yet stays in the queue, unlocked, and
 * takes no slot. Waiting is done here too, and ends early when the limit changed or the consumer closes.
 */
import type { RateLimits, Turn } from './rate-limits.js';
import { placeName, type Semaphores } from './semaphore.js';

/** A gate is asked again at least this often: what it waits for may change without a word. */
const LONGEST_PAUSE_MS = 1000;

export interface GateParams {
  readonly task: string;
  readonly rates: RateLimits;
  readonly semaphores: Semaphores;
  /** How many run at once, where that is limited without a key. */
  readonly limit: number | undefined;
}

export class Gate {
  #closed = false;
  #wake: (() => void) | undefined;
  /** The turn the next fetch goes by, and those of jobs that have been fetched by one. */
  #turn: Turn | undefined;
  readonly #turns = new Map<string, Turn>();

  constructor(private readonly params: GateParams) {}

  get closed(): boolean {
    return this.#closed;
  }

  /** 0: the next job may be fetched. Otherwise how long to wait, ms. */
  async enter(): Promise<number> {
    const { task, rates, semaphores, limit } = this.params;
    // The place itself is taken by the job, when it has one: here it only spares the fetch.
    if (limit !== undefined && !(await semaphores.mayEnter(placeName(task), limit))) return LONGEST_PAUSE_MS;
    const permit = await rates.take(task);
    if (!permit.granted) return Math.min(permit.waitMs, LONGEST_PAUSE_MS);
    this.#turn = permit.turn;
    return 0;
  }

  /** What became of the fetch that was let in: the job it brought, if any. */
  async passed(jobId: string | undefined): Promise<void> {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === undefined) return;
    if (jobId === undefined) await turn.unused();
    else this.#turns.set(jobId, turn);
  }

  /** The turn a job was fetched by; given out once. */
  turnOf(jobId: string): Turn | undefined {
    const turn = this.#turns.get(jobId);
    this.#turns.delete(jobId);
    return turn;
  }

  /** Waits for `ms`, or until woken. */
  pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), Math.ceil(ms));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** Ask again now. */
  wake(): void {
    this.#wake?.();
  }

  /** Nobody is let in any more. */
  close(): void {
    this.#closed = true;
    this.wake();
  }
}
