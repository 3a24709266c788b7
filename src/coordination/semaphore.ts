/**
 * A semaphore over the whole fleet, on the Places port: decides which jobs get a place of a limit. A holder counts as
 * alive while its job is locked. BullMQ renews that lock anyway, so a holder costs nothing while it runs, and the next job
 * that wants a place finds the holder whose worker was killed. A freed place goes to the first job in line, which is then
 * called back.
 */

import type { Engine, JobRef } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import type { Asking, Holder } from '../broker/places.js';
import { sleep } from '../timers.js';
import type { TaskLookup } from './task-record.js';

/** The answer to a request for a place. */
export type HeldPlace =
  | { readonly held: true }
  /** `listed`: the job will be called back. Otherwise it must ask again. */
  | { readonly held: false; readonly listed: boolean };

/** Most waiting jobs that are listed; jobs beyond these ask again. */
const MOST_LISTED = 64;

/** Pauses before the next call to a job that was called back before its worker had parked it, ms. */
const CALL_AGAIN_MS = [5, 20, 100, 400];

/** Gives the places of limits to jobs and takes them back. */
export class Semaphores {
  constructor(
    private readonly engine: Pick<Engine, 'places' | 'backend'>,
    private readonly tasks: TaskLookup,
    private readonly clock: Pick<BrokerClock, 'now'>,
    /** A holder older than this is checked when another job wants a place, ms. A bit over the duration of a lock. */
    private readonly leaseMs: number,
  ) {}

  /**
   * Takes a place for a job that is about to run. A job that has a place keeps it.
   * @param list whether to list the job to be called back when no place is free
   */
  async enter(name: string, limit: number, job: JobRef, list: boolean): Promise<HeldPlace> {
    for (;;) {
      const asking = { ...this.#asking(limit), mostWaiters: list ? MOST_LISTED : 0 };
      const entered = await this.engine.places.enter(name, job, asking);
      if (entered.held) return entered;
      const { listed, doubted } = entered;
      if (!(await this.#bury(name, limit, doubted, job))) return { held: false, listed };
    }
  }

  /** Releases a job's place, or its turn in line, to the next job. A job without either changes nothing. */
  async leave(name: string, limit: number, job: JobRef): Promise<void> {
    const now = this.#now();
    const called = await this.engine.places.leave(name, limit, job, now);
    await this.#callAll(name, limit, called, now);
  }

  /** Whether a job that asked now might get a place. */
  async mayEnter(name: string, limit: number): Promise<boolean> {
    for (;;) {
      const room = await this.engine.places.room(name, this.#asking(limit));
      if (room.free) return true;
      if (!(await this.#bury(name, limit, room.doubted))) return false;
    }
  }

  /**
   * Evicts the doubted holders whose worker died. The broker hands each doubted holder to one asker only, so that not every
   * asker checks every holder.
   * @param asker not called back, since it asks again
   * @returns whether to ask again: there were holders to check, and there may be more
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

  /** Lets a parked job run now. It holds its place already. If the call is lost, the job comes back by itself. */
  async #call(name: string, limit: number, called: Holder): Promise<void> {
    const backend = await this.engine.backend(called.queue);
    for (const pauseMs of [...CALL_AGAIN_MS, undefined]) {
      try {
        await backend.promote(called.id);
        return;
      } catch {
        // Either its worker has listed the job and is about to park it, or the job runs already, or has ended.
        if (await this.#hasEnded(called)) return this.#evict(name, limit, [called]);
        if (pauseMs !== undefined) await sleep(pauseMs);
      }
    }
  }

  /** Whether a job ended while it was in line. Then it must not keep its place from the next job. */
  async #hasEnded(called: Holder): Promise<boolean> {
    try {
      const [job] = await this.tasks.read([called]);
      return job === undefined || job.doneAt !== undefined;
    } catch {
      return false; // the broker is unreachable: a later check evicts the holder
    }
  }

  #asking(limit: number): Omit<Asking, 'mostWaiters'> {
    const now = this.#now();
    return { limit, now, doubtedBefore: now - this.leaseMs };
  }

  /** A whole number, since stored moments are compared for equality. */
  #now(): number {
    return Math.floor(this.clock.now());
  }
}

/** The name of the limit of a task, or of a task and key. */
export function placeName(task: string, key?: string): string {
  return JSON.stringify(key === undefined ? [task] : [task, key]);
}
