/**
 * A semaphore over the whole fleet, one small record a key: who holds a place, and who is parked for one. A holder is
 * as alive as its job's lock, which BullMQ renews anyway, so a holder costs nothing while it runs and a killed one is
 * found out by whoever wants its place. A place that becomes free is given to the first one parked, then its job is
 * called back. One compare-and-set a step; never more holders than the limit.
 */

import type { Engine, JobRef, StoredRecord } from '../broker/broker.js';
import type { BrokerClock } from '../broker/clock.js';
import { sleep } from '../timers.js';
import { afterLoss } from './contention.js';

interface Holder extends JobRef {
  /** Since when, epoch ms of the broker's clock. */
  readonly at: number;
}

interface State {
  readonly holders: readonly Holder[];
  readonly parked: readonly JobRef[];
}

/** What asking for a place gives. */
export type Place =
  | { readonly held: true }
  /** `listed`: it will be called back; otherwise it must ask again by itself. */
  | { readonly held: false; readonly listed: boolean };

const EMPTY: State = { holders: [], parked: [] };

/** More wait than are listed: a record stays small, and those beyond come back by themselves. */
const MOST_PARKED = 64;

/** A job that was called back before it was parked for good is called again after these, ms. */
const CALL_AGAIN_MS = [5, 20, 100, 400];

export class Semaphores {
  constructor(
    private readonly engine: Engine,
    private readonly clock: BrokerClock,
    /** A place older than this is looked at when somebody wants it, ms. A bit over the duration of a lock. */
    private readonly leaseMs: number,
  ) {}

  /**
   * Takes a place for a job that is about to run. A job that has one already keeps it.
   * @param list put it on the list of those who are called back when there is none
   */
  async enter(name: string, limit: number, job: JobRef, list: boolean): Promise<Place> {
    return this.#update<Place>(name, async (state) => {
      if (state.holders.some(same(job))) return { reply: { held: true } };
      const holders = await this.#alive(state.holders, limit);
      const parked = state.parked.filter((other) => !same(job)(other));
      if (holders.length < limit) {
        const mine = { ...refOf(job), at: this.clock.now() };
        return { state: { holders: [...holders, mine], parked }, reply: { held: true } };
      }
      if (parked.length < state.parked.length) return { reply: { held: false, listed: true } };
      if (!list || parked.length >= MOST_PARKED) return { reply: { held: false, listed: false } };
      return {
        state: { holders: state.holders, parked: [...parked, refOf(job)] },
        reply: { held: false, listed: true },
      };
    });
  }

  /** Gives a job's place, or its turn, to the next. A job without one changes nothing. */
  async leave(name: string, limit: number, job: JobRef): Promise<void> {
    const called = await this.#update<readonly JobRef[]>(name, async (state) => {
      const holders = state.holders.filter((holder) => !same(job)(holder));
      const parked = state.parked.filter((other) => !same(job)(other));
      if (holders.length === state.holders.length && parked.length === state.parked.length)
        return { reply: [] };
      const next = parked.splice(0, Math.max(0, limit - holders.length));
      const at = this.clock.now();
      return {
        state: { holders: [...holders, ...next.map((ref) => ({ ...ref, at }))], parked },
        reply: next,
      };
    });
    await Promise.all(called.map((ref) => this.#call(ref)));
  }

  /** Whether somebody who asked now might get a place. */
  async mayEnter(name: string, limit: number): Promise<boolean> {
    const record = await this.#read(name);
    if (record === undefined) return true;
    return (await this.#alive(stateIn(record).holders, limit)).length < limit;
  }

  /** The holders without those whose worker died; nobody is looked at while there is room. */
  async #alive(holders: readonly Holder[], limit: number): Promise<readonly Holder[]> {
    if (holders.length < limit) return holders;
    const doubtedBefore = this.clock.now() - this.leaseMs;
    const doubted = holders.filter((holder) => holder.at <= doubtedBefore);
    if (doubted.length === 0) return holders;
    const jobs = await this.engine.readJobs(doubted);
    const dead = new Set(doubted.filter((_, i) => jobs[i]?.running !== true));
    return holders.filter((holder) => !dead.has(holder));
  }

  /** Lets a parked job run now. It holds its place already; should the call be lost, it comes back by itself. */
  async #call(ref: JobRef): Promise<void> {
    const backend = await this.engine.backend(ref.queue);
    for (const pauseMs of [...CALL_AGAIN_MS, undefined]) {
      try {
        await backend.promote(ref.id);
        return;
      } catch {
        // Not parked yet: its worker has listed it and is about to. Or gone: then its place is found empty.
        if (pauseMs !== undefined) await sleep(pauseMs);
      }
    }
  }

  async #update<R>(name: string, step: (state: State) => Promise<{ state?: State; reply: R }>): Promise<R> {
    for (let losses = 1; ; losses++) {
      const record = await this.#read(name);
      const { state, reply } = await step(record === undefined ? EMPTY : stateIn(record));
      if (state === undefined || (await this.#write(name, record, state))) return reply;
      await afterLoss(losses);
    }
  }

  #write(name: string, record: StoredRecord | undefined, state: State): Promise<boolean> {
    const { records } = this.engine;
    if (state.holders.length === 0 && state.parked.length === 0)
      return record === undefined ? Promise.resolve(true) : records.remove(keyOf(name), record.version);
    const value = JSON.stringify(state);
    return record === undefined
      ? records.create(keyOf(name), value)
      : records.replace(keyOf(name), record.version, value);
  }

  async #read(name: string): Promise<StoredRecord | undefined> {
    const [record] = await this.engine.records.read([keyOf(name)]);
    return record;
  }
}

/** What counts the tasks of a name, or those of a name and key. */
export function placeName(task: string, key?: string): string {
  return JSON.stringify(key === undefined ? [task] : [task, key]);
}

function keyOf(name: string): string {
  return `places:${name}`;
}

function stateIn(record: StoredRecord): State {
  return JSON.parse(record.value) as State;
}

function refOf({ queue, id }: JobRef): JobRef {
  return { queue, id };
}

function same(job: JobRef): (other: JobRef) => boolean {
  return (other) => other.id === job.id && other.queue === job.queue;
}
