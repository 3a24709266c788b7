/**
 * A semaphore over the whole fleet: who of those that want a place of a limit gets one, on the Places port. A holder is
 * as alive as its job's lock, which BullMQ renews anyway, so a holder costs nothing while it runs and a killed one is
 * found out by whoever wants its place. A place that becomes free is given to the first in line, then its job is
 * called back.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { Asking, Holder } from '../broker/places.js';
import { sleep } from '../timers.js';
import type { TaskLookup } from './task-record.js';

/** What asking for a place gives. */
export type Place =
  | { readonly held: true }
  /** `listed`: it will be called back; otherwise it must ask again by itself. */
  | { readonly held: false; readonly listed: boolean };

/** More wait than are listed: those beyond come back by themselves. */
const MOST_LISTED = 64;

/** A job that was called back before it was parked for good is called again after these, ms. */
const CALL_AGAIN_MS = [5, 20, 100, 400];

export class Semaphores {
  constructor(
    private readonly engine: Pick<Engine, 'places' | 'backend'>,
    private readonly tasks: TaskLookup,
    private readonly clock: Pick<BrokerClock, 'now'>,
    /** A place older than this is looked at when somebody wants it, ms. A bit over the duration of a lock. */
    private readonly leaseMs: number,
  ) {}

  /**
   * Takes a place for a job that is about to run. A job that has one already keeps it.
   * @param list put it on the list of those who are called back when there is none
   */
  async enter(name: string, limit: number, job: JobRef, list: boolean): Promise<Place> {
    for (;;) {
      const asking = { ...this.#asking(limit), mostWaiters: list ? MOST_LISTED : 0 };
      const entered = await this.engine.places.enter(name, job, asking);
      if (entered.held) return entered;
      const { listed, doubted } = entered;
      if (!(await this.#bury(name, limit, doubted, job))) return { held: false, listed };
    }
  }

  /** Gives a job's place, or its turn, to the next. A job without one changes nothing. */
  async leave(name: string, limit: number, job: JobRef): Promise<void> {
    const now = this.#now();
    const called = await this.engine.places.leave(name, limit, job, now);
    await this.#callAll(name, limit, called, now);
  }

  /** Whether somebody who asked now might get a place. */
  async mayEnter(name: string, limit: number): Promise<boolean> {
    for (;;) {
      const room = await this.engine.places.room(name, this.#asking(limit));
      if (room.free) return true;
      if (!(await this.#bury(name, limit, room.doubted))) return false;
    }
  }

  /**
   * Takes the places of those among the doubted whose worker died. They are handed out to one who asks, so nobody is looked
   * at by all.
   * @param asker needs no call: it asks again
   * @returns whether it is worth asking again: there was somebody to look at, and may be more
   */
  async #bury(name: string, limit: number, doubted: readonly Holder[], asker?: JobRef): Promise<boolean> {
    if (doubted.length === 0) return false;
    const jobs = await this.tasks.read(doubted);
    const dead = doubted.filter((_, i) => jobs[i]?.running !== true);
    await this.#evict(name, limit, dead, asker);
    return true;
  }

  async #evict(name: string, limit: number, dead: readonly Holder[], asker?: JobRef): Promise<void> {
    if (dead.length === 0) return;
    const now = this.#now();
    const called = await this.engine.places.evict(name, limit, dead, now);
    const others = called.filter(({ queue, id }) => id !== asker?.id || queue !== asker.queue);
    await this.#callAll(name, limit, others, now);
  }

  async #callAll(name: string, limit: number, called: readonly JobRef[], at: number): Promise<void> {
    await Promise.all(called.map((ref) => this.#call(name, limit, { ...ref, at })));
  }

  /** Lets a parked job run now. It holds its place already; should the call be lost, it comes back by itself. */
  async #call(name: string, limit: number, called: Holder): Promise<void> {
    const backend = await this.engine.backend(called.queue);
    for (const pauseMs of [...CALL_AGAIN_MS, undefined]) {
      try {
        await backend.promote(called.id);
        return;
      } catch {
        // Not parked yet: its worker has listed it and is about to. Or it runs already, or has ended.
        if (await this.#hasEnded(called)) return this.#evict(name, limit, [called]);
        if (pauseMs !== undefined) await sleep(pauseMs);
      }
    }
  }

  /** Whether it ended while it was in line: then it keeps no place from the next. */
  async #hasEnded(called: Holder): Promise<boolean> {
    try {
      const [job] = await this.tasks.read([called]);
      return job === undefined || job.doneAt !== undefined;
    } catch {
      return false; // out of reach: then its place is found empty
    }
  }

  #asking(limit: number): Omit<Asking, 'mostWaiters'> {
    const now = this.#now();
    return { limit, now, doubtedBefore: now - this.leaseMs };
  }

  /** Whole: what is kept is compared. */
  #now(): number {
    return Math.floor(this.clock.now());
  }
}

/** What counts the tasks of a name, or those of a name and key. */
export function placeName(task: string, key?: string): string {
  return JSON.stringify(key === undefined ? [task] : [task, key]);
}
