/**
 * The port that every engine implements for limits over the fleet: which jobs hold a place of a limit, and which wait for
 * one. Each call is one atomic step in the broker, and its cost must not grow with the number of holders or waiters. A
 * limit without holders and waiters leaves nothing in the broker.
 */
import type { JobRef } from './job-ref.js';

/** A job that holds a place. */
export interface Holder extends JobRef {
  /** When the job took the place, or was last handed out as doubted: epoch ms. */
  readonly at: number;
}

/** A request for a place. Moments are whole epoch ms of the broker's clock. */
export interface Asking {
  readonly limit: number;
  readonly now: number;
  /** The job is put in line only while fewer jobs than this wait. */
  readonly mostWaiters: number;
  /** Holders since this moment or earlier may be dead. */
  readonly doubtedBefore: number;
}

/**
 * The answer to a request for a place. `listed`: the job is in line and gets a free place in its turn. `doubted`: long-time
 * holders, {@link MOST_DOUBTED} at most; the caller is to check whether they still run. No other caller gets the same
 * holders before they have held their place for as long again.
 */
export type Entered =
  | { readonly held: true }
  | { readonly held: false; readonly listed: boolean; readonly doubted: readonly Holder[] };

/** Whether a place is free; if not, the holders to check. */
export type Room = { readonly free: true } | { readonly free: false; readonly doubted: readonly Holder[] };

/** Most doubted holders handed out at once. */
export const MOST_DOUBTED = 64;

/** Places by the name of a limit, which is any string. A call never grants a place while `limit` or more jobs hold one. */
export interface Places {
  /** Takes a place for a job, or puts the job in line. A holder keeps its place, and is not doubted for the time being. */
  enter(name: string, job: JobRef, asking: Asking): Promise<Entered>;
  /**
   * Releases a job's place, or its turn in line. A job without either changes nothing.
   * @returns the jobs that got the freed places, first come, first served
   */
  leave(name: string, limit: number, job: JobRef, now: number): Promise<readonly JobRef[]>;
  /** Whether a place is free. Takes none. */
  room(name: string, asking: Omit<Asking, 'mostWaiters'>): Promise<Room>;
  /**
   * Releases the places of dead holders, except those that entered again since their `at`.
   * @returns the jobs that got the freed places, first come, first served
   */
  evict(name: string, limit: number, dead: readonly Holder[], now: number): Promise<readonly JobRef[]>;
}
