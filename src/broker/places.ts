/**
 * The port every engine fills for limits over the fleet: who holds a place of a limit, and who waits for one. Each call
 * is one atomic step of the broker, whose cost does not grow with the number of those who hold or wait. Nothing is left
 * of a name that nobody holds or waits for.
 */
import type { JobRef } from './job-ref.js';

/** Who holds a place. */
export interface Holder extends JobRef {
  /** When it took the place, or was last handed out as doubted: epoch ms. */
  readonly at: number;
}

/** How a place is asked for. Moments are whole epoch ms of the broker's clock. */
export interface Asking {
  readonly limit: number;
  readonly now: number;
  /** Who waits is listed as long as fewer than these are. */
  readonly mostWaiters: number;
  /** Who holds a place since then, or longer, may be dead. */
  readonly doubtedBefore: number;
}

/**
 * What asking for a place gives. `listed`: it is in line, and gets the place that becomes free in its turn. `doubted`: those
 * who hold one for so long that whoever asks is to look whether they run, {@link MOST_DOUBTED} at most. Nobody else gets
 * the same ones before they have held it as long again.
 */
export type Entered =
  | { readonly held: true }
  | { readonly held: false; readonly listed: boolean; readonly doubted: readonly Holder[] };

/** Whether there is a place left; if not, who is to be looked at. */
export type Room = { readonly free: true } | { readonly free: false; readonly doubted: readonly Holder[] };

/** So many doubted holders are handed out at once. */
export const MOST_DOUBTED = 64;

/** Places by the name of a limit, which is any string. There are never more holders than the lowest limit given. */
export interface Places {
  /** Takes a place for a job, or puts it in line. Who has one keeps it, and is not doubted for the time being. */
  enter(name: string, job: JobRef, asking: Asking): Promise<Entered>;
  /**
   * Gives a job's place, or its turn, away. Who has neither changes nothing.
   * @returns who got the places that are free now, first come, first served
   */
  leave(name: string, limit: number, job: JobRef, now: number): Promise<readonly JobRef[]>;
  /** Whether a place is free. Takes none. */
  room(name: string, asking: Omit<Asking, 'mostWaiters'>): Promise<Room>;
  /**
   * Takes the places of the dead away; not from those who entered again since their `at`.
   * @returns who got the places that are free now, first come, first served
   */
  evict(name: string, limit: number, dead: readonly Holder[], now: number): Promise<readonly JobRef[]>;
}
