/**
 * A worker's side of the fleet-wide limits: which tasks have lanes, the gates before them, and what is asked of the
 * broker before a limited task runs. A task without limits is told apart by one look at its policy, and asks nothing.
 */

import type { Engine } from '../../broker/broker.js';
import type { BrokerClock } from '../../broker/clock.js';
import type { RateLimits } from '../../coordination/rate-limits.js';
import { mayRunTick } from '../../coordination/schedule-store.js';
import { placeName, Semaphores } from '../../coordination/semaphore.js';
import type { TaskLookup } from '../../coordination/task-record.js';
import type { Logger } from '../../options/logger.js';
import { isLane, laneOf } from '../../protocol/lanes.js';
import type { Delivery } from '../../queue/delivery.js';
import { LaneGate } from '../../queue/lane-gate.js';
import { isBrokersFault } from '../../queue/write-answers.js';
import type { RegisteredTask, Registry } from '../../tasks/registry.js';
import type { Outcome } from '../run/outcome.js';

export interface LimitsParams {
  readonly engine: Engine;
  readonly tasks: TaskLookup;
  readonly clock: BrokerClock;
  readonly registry: Registry;
  readonly rates: RateLimits;
  readonly lockDurationMs: number;
  readonly logger: Logger;
}

/** A job that was moved here waits so long for the first of the two to be gone, looking this often, ms. */
const MOVED_WAIT_MS = 200;
const MOVED_LOOK_MS = 10;
/** Out of reach, or half moved: again after this, ms. */
const AGAIN_MS = 1000;
/** Jobs that wait for a place without being listed come back after this, twice as long each time, up to a bound, ms. */
const UNLISTED_MS = 250;
const UNLISTED_DOUBLINGS = 5;
/** More of them than these begin anew. */
const MOST_TURNED_AWAY = 10_000;

export class Limits {
  readonly #semaphores: Semaphores;
  readonly #laned = new Set<string>();
  readonly #gates = new Map<string, Set<LaneGate>>();
  readonly #listeners = new Map<string, () => void>();
  readonly #leaseMs: number;
  /** How often jobs that wait unlisted were turned away here, by id. */
  readonly #turnedAway = new Map<string, number>();

  constructor(private readonly params: LimitsParams) {
    this.#leaseMs = Math.ceil(params.lockDurationMs * 1.2);
    this.#semaphores = new Semaphores(params.engine, params.tasks, params.clock, this.#leaseMs);
  }

  /** The tasks that have lanes here. */
  get laned(): readonly string[] {
    return [...this.#laned];
  }

  /** Learns which tasks have lanes: those whose options say so, and those that once had one. One round trip. */
  async learn(): Promise<void> {
    const tasks = this.params.registry.all();
    const recorded = await this.params.rates.recorded(tasks.map((task) => task.name));
    const laned = tasks.filter((task, i) => task.lane || recorded[i]);
    await Promise.all(laned.map((task) => this.params.rates.declare(task.name, task.run.rateLimit)));
    for (const task of laned) this.#laned.add(task.name);
  }

  /** From now on the task has lanes. `false` when it had them. */
  async add(task: string): Promise<boolean> {
    if (this.#laned.has(task)) return false;
    this.#laned.add(task);
    await this.params.rates.declare(task, this.params.registry.get(task)?.run.rateLimit);
    return true;
  }

  /** The gate of one lane of a task. */
  gate(task: string): LaneGate {
    const { registry, rates } = this.params;
    const concurrency = registry.get(task)?.run.concurrency;
    const limit = concurrency?.key === undefined ? concurrency?.limit : undefined;
    const gate = new LaneGate({ task, rates, semaphores: this.#semaphores, limit });
    const gates = this.#gates.get(task) ?? new Set();
    this.#gates.set(task, gates.add(gate));
    if (limit !== undefined && gates.size === 1) this.#listen(task);
    return gate;
  }

  /** Forgets the gates. */
  close(): void {
    for (const [task, wake] of this.#listeners) this.params.engine.signals.unsubscribe(freeTopic(task), wake);
    this.#listeners.clear();
    this.#gates.clear();
  }

  /** Hears of places that became free in other processes. */
  #listen(task: string): void {
    const wake = () => this.wake(task);
    this.#listeners.set(task, wake);
    // Unheard, the gate still looks once a second.
    this.params.engine.signals.subscribe(freeTopic(task), wake).catch(() => undefined); // see above
  }

  /** Lets the lanes of a task look again: a limit changed, or a place became free. */
  wake(task: string): void {
    for (const gate of this.#gates.get(task) ?? []) gate.wake();
  }

  /** `undefined` when the task may run at once, as tasks without limits always may; else the outcome instead. */
  admit(
    delivery: Delivery,
    task: RegisteredTask,
    args: readonly unknown[],
  ): Promise<Outcome | undefined> | undefined {
    const { concurrency } = task.run;
    const laned = this.#laned.has(task.name);
    const { from, tick } = delivery.message;
    if (!laned && concurrency === undefined && from === undefined && tick === undefined) return undefined;
    let place: string | undefined;
    try {
      place = concurrency === undefined ? undefined : placeName(task.name, concurrency.key?.(args));
    } catch (error) {
      return Promise.resolve({ kind: 'failure', error });
    }
    return this.#admit(delivery, task, place, laned).then(
      (held) => {
        // Not waited for: what fails here is a start told too late, or a turn lost.
        const settled = held === undefined ? delivery.turn?.used() : delivery.turn?.unused();
        settled?.catch(() => undefined); // see above
        return held;
      },
      (error: unknown) => {
        // The task has not begun, so it waits for the broker like everybody else.
        if (!isBrokersFault(error)) return { kind: 'failure', error };
        return { kind: 'later', delayMs: AGAIN_MS };
      },
    );
  }

  async #admit(
    delivery: Delivery,
    task: RegisteredTask,
    place: string | undefined,
    laned: boolean,
  ): Promise<Outcome | undefined> {
    const { from, tick } = delivery.message;
    if (tick !== undefined && !(await mayRunTick(this.params.engine, delivery.jobId, tick)))
      return { kind: 'ignore' };
    if (from !== undefined && !(await this.#arrived(delivery, from)))
      return { kind: 'later', delayMs: AGAIN_MS };
    if (laned && !isLane(delivery.ref.queue)) {
      if (!delivery.hasParent) return { kind: 'move', lane: laneOf(delivery.ref.queue, task.name) };
      // Whoever waits for it in the broker knows it by its place, so it stays there and asks by itself.
      const permit = await this.params.rates.take(task.name);
      if (!permit.granted) return { kind: 'later', delayMs: spread(permit.waitMs) };
    }
    return this.#enter(delivery, task, place);
  }

  /** Takes a place, where the task's concurrency is limited; it is given back when the job has left. */
  async #enter(
    delivery: Delivery,
    task: RegisteredTask,
    name: string | undefined,
  ): Promise<Outcome | undefined> {
    const { concurrency } = task.run;
    if (concurrency === undefined || name === undefined) return undefined;
    const { limit, key } = concurrency;
    // Those of a lane wait in the lane; whoever gets here and finds no place has lost a race and tries again.
    const place = await this.#semaphores.enter(name, limit, delivery.ref, key !== undefined);
    if (place.held) {
      this.#turnedAway.delete(delivery.jobId);
      delivery.afterwards(async () => {
        await this.#semaphores.leave(name, limit, delivery.ref);
        if (key === undefined) this.params.engine.signals.notify(freeTopic(task.name));
      });
      return undefined;
    }
    if (place.listed) return { kind: 'later', delayMs: this.#leaseMs };
    const doublings = Math.min(UNLISTED_DOUBLINGS, this.#countTurnedAway(delivery.jobId));
    return { kind: 'later', delayMs: spread(UNLISTED_MS * 2 ** doublings) };
  }

  /** How often it was turned away before. */
  #countTurnedAway(jobId: string): number {
    const before = this.#turnedAway.get(jobId) ?? 0;
    this.#turnedAway.delete(jobId);
    this.#turnedAway.set(jobId, before + 1);
    const [oldest] = this.#turnedAway.size > MOST_TURNED_AWAY ? this.#turnedAway.keys() : [];
    if (oldest !== undefined) this.#turnedAway.delete(oldest);
    return before;
  }

  /** Whether a moved job is gone from where it came from: before that it might be moved, and run, a second time. */
  async #arrived(delivery: Delivery, from: string): Promise<boolean> {
    const origin = { queue: from, id: delivery.jobId };
    for (let waitedMs = 0; waitedMs <= MOVED_WAIT_MS; waitedMs += MOVED_LOOK_MS) {
      const [job] = await this.params.tasks.read([origin]);
      // A stranger's message may name any queue: what has ended there, or is this very job, is not on its way.
      if (job?.queue !== from || job.doneAt !== undefined || from === delivery.ref.queue) return true;
      await new Promise((resolve) => setTimeout(resolve, MOVED_LOOK_MS));
    }
    return false;
  }
}

function freeTopic(task: string): string {
  return `free:${task}`;
}

/** Between one and two times `ms`: those that were refused together do not come back together. */
function spread(ms: number): number {
  return Math.ceil(ms * (1 + Math.random()));
}
