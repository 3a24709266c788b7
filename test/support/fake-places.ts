/** The Places port in memory, for tests of what is decided above it. */
import type { JobRef } from '#src/broker/job-ref.js';
import {
  type Asking,
  type Entered,
  type Holder,
  MOST_DOUBTED,
  type Places,
  type Room,
} from '#src/broker/places.js';

interface Name {
  readonly holders: Map<string, Holder>;
  readonly waiters: Map<string, JobRef>;
}

export class FakePlaces implements Places {
  readonly names = new Map<string, Name>();
  /** Every call, by its method. */
  readonly calls: string[] = [];

  async enter(name: string, job: JobRef, asking: Asking): Promise<Entered> {
    this.calls.push('enter');
    const { holders, waiters } = this.#of(name);
    const key = keyOf(job);
    const had = holders.get(key);
    if (had !== undefined || holders.size < asking.limit) {
      holders.set(key, { ...job, at: Math.max(asking.now, (had?.at ?? -1) + 1) });
      waiters.delete(key);
      return { held: true };
    }
    if (!waiters.has(key) && waiters.size < asking.mostWaiters) waiters.set(key, job);
    return { held: false, listed: waiters.has(key), doubted: this.#doubted(name, asking) };
  }

  async leave(name: string, limit: number, job: JobRef, now: number): Promise<readonly JobRef[]> {
    this.calls.push('leave');
    const { holders, waiters } = this.#of(name);
    const had = [holders.delete(keyOf(job)), waiters.delete(keyOf(job))];
    return had.includes(true) ? this.#give(name, limit, now) : [];
  }

  async room(name: string, asking: Omit<Asking, 'mostWaiters'>): Promise<Room> {
    this.calls.push('room');
    if (this.#of(name).holders.size < asking.limit) return { free: true };
    return { free: false, doubted: this.#doubted(name, asking) };
  }

  async evict(name: string, limit: number, dead: readonly Holder[], now: number): Promise<readonly JobRef[]> {
    this.calls.push('evict');
    const { holders } = this.#of(name);
    for (const job of dead) if (holders.get(keyOf(job))?.at === job.at) holders.delete(keyOf(job));
    return this.#give(name, limit, now);
  }

  /** Who holds a place, by id. */
  held(name: string): string[] {
    return [...this.#of(name).holders.values()].map(({ id }) => id);
  }

  #doubted(name: string, { doubtedBefore, now }: Omit<Asking, 'mostWaiters'>): Holder[] {
    const { holders } = this.#of(name);
    const old = [...holders.values()]
      .filter(({ at }) => at <= doubtedBefore)
      .sort((a, b) => a.at - b.at)
      .slice(0, MOST_DOUBTED)
      .map((holder) => ({ ...holder, at: now }));
    for (const holder of old) holders.set(keyOf(holder), holder);
    return old;
  }

  #give(name: string, limit: number, now: number): JobRef[] {
    const { holders, waiters } = this.#of(name);
    const next = [...waiters.values()].slice(0, Math.max(0, limit - holders.size));
    for (const job of next) {
      waiters.delete(keyOf(job));
      holders.set(keyOf(job), { ...job, at: now });
    }
    return next;
  }

  #of(name: string): Name {
    const found = this.names.get(name) ?? { holders: new Map(), waiters: new Map() };
    this.names.set(name, found);
    return found;
  }
}

function keyOf({ queue, id }: JobRef): string {
  return `${queue}:${id}`;
}
