/**
 * A worker's side of the fleet-wide limits: which tasks have lanes, the gates of those lanes, and the requests to the
 * broker before a limited task runs. For a task without limits one look at its policy is all: it must cost no
 * request.
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

/** How long a job moved here waits until its original is gone, and how often to look, ms. */
const MOVED_WAIT_MS = 200;
const MOVED_LOOK_MS = 10;
/** Delay when the broker cannot be reached or a move is incomplete, ms. */
const AGAIN_MS = 1000;
/** First delay of a job refused a place without being listed, doubled at each further refusal, at most so often, ms. */
const UNLISTED_MS = 250;
const UNLISTED_DOUBLINGS = 5;
/** Most jobs counted in `#turnedAway`; beyond that the job refused longest ago is dropped. */
const MOST_TURNED_AWAY = 10_000;

export class Limits {
  readonly #semaphores: Semaphores;
  readonly #laned = new Set<string>();
  readonly #gates = new Map<string, Set<LaneGate>>();
  readonly #listeners = new Map<string, () => void>();
  readonly #leaseMs: number;
  /** How often each unlisted job was refused a place here, by id. */
  readonly #turnedAway = new Map<string, number>();

  constructor(private readonly params: LimitsParams) {
    this.#leaseMs = Math.ceil(params.lockDurationMs * 1.2);
    this.#semaphores = new Semaphores(params.engine, params.tasks, params.clock, this.#leaseMs);
  }

  /** Names of the tasks that have lanes here. */
  get laned(): readonly string[] {
    return [...this.#laned];
  }

  /** Finds the tasks that have lanes: those whose options say so, and those that once had one. One round trip. */
  async learn(): Promise<void> {
    const tasks = this.params.registry.all();
    const recorded = await this.params.rates.recorded(tasks.map((task) => task.name));
    const laned = tasks.filter((task, i) => task.lane || recorded[i]);
    await Promise.all(laned.map((task) => this.params.rates.declare(task.name, task.run.rateLimit)));
    for (const task of laned) this.#laned.add(task.name);
  }

  /** Gives the task lanes from now on. `false` when it had them. */
  async add(task: string): Promise<boolean> {
    if (this.#laned.has(task)) return false;
    this.#laned.add(task);
    await this.params.rates.declare(task, this.params.registry.get(task)?.run.rateLimit);
    return true;
  }

  /** Returns a gate for the lane of a task in one queue. */
  gate(task: string, lane: string): LaneGate {
    const { registry, rates, engine } = this.params;
    const concurrency = registry.get(task)?.run.concurrency;
    const limit = concurrency?.key === undefined ? concurrency?.limit : undefined;
    const gate = new LaneGate({
      task,
      rates,
      semaphores: this.#semaphores,
      limit,
      wakingNext: () => engine.queues.wakingsFirst(lane),
    });
    const gates = this.#gates.get(task) ?? new Set();
    this.#gates.set(task, gates.add(gate));
    if (limit !== undefined && gates.size === 1) this.#listen(task);
    return gate;
  }

  /** Unsubscribes from freed places and drops the gates. */
  close(): void {
    for (const [task, wake] of this.#listeners) this.params.engine.signals.unsubscribe(freeTopic(task), wake);
    this.#listeners.clear();
    this.#gates.clear();
  }

  /** Subscribes to places freed in other processes. */
  #listen(task: string): void {
    const wake = () => this.wake(task);
    this.#listeners.set(task, wake);
    // Without the subscription the gate still polls once a second.
    this.params.engine.signals.subscribe(freeTopic(task), wake).catch(() => undefined); // see above
  }

  /** Wakes up the lanes of a task: a limit changed, or a place became free. */
  wake(task: string): void {
    for (const gate of this.#gates.get(task) ?? []) gate.wake();
  }

  /**
   * `undefined` when the task may run now, as tasks without limits always may; otherwise the outcome to settle
   * instead.
   */
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
        // Not awaited: a failure here only means a start confirmed too late, or a lost turn.
        // A waking is no start: its turn is left to others, at once.
        const starts = held === undefined && delivery.woken === undefined;
        const settled = starts
          ? delivery.turn?.used()
          : delivery.turn?.unused()?.then(() => this.wake(task.name));
        settled?.catch(() => undefined); // see above
        return held;
      },
      (error: unknown) => {
        // The task has not begun, so it can wait for the broker.
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
      // In the broker the task is known by its queue, so it stays there and polls for a permit itself.
      const permit = await this.params.rates.take(task.name);
      if (!permit.granted) return { kind: 'later', delayMs: spread(permit.waitMs) };
    }
    // It was let in as a waking is, but another worker has fetched that.
    if (isLane(delivery.ref.queue) && delivery.turn === undefined && delivery.woken === undefined) {
      const permit = await this.params.rates.take(task.name);
      if (!permit.granted) return { kind: 'later', delayMs: Math.ceil(permit.waitMs) };
    }
    return this.#enter(delivery, task, place);
  }

  /** Claims a place, if the task's concurrency is limited; the place is released when the job has left. */
  async #enter(
    delivery: Delivery,
    task: RegisteredTask,
    name: string | undefined,
  ): Promise<Outcome | undefined> {
    const { concurrency } = task.run;
    if (concurrency === undefined || name === undefined) return undefined;
    const { limit, key } = concurrency;
    // Jobs of a lane wait in the lane; a job that finds no place here has lost a race and retries.
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

  /** Counts a refusal; returns how many there were before. */
  #countTurnedAway(jobId: string): number {
    const before = this.#turnedAway.get(jobId) ?? 0;
    this.#turnedAway.delete(jobId);
    this.#turnedAway.set(jobId, before + 1);
    const [oldest] = this.#turnedAway.size > MOST_TURNED_AWAY ? this.#turnedAway.keys() : [];
    if (oldest !== undefined) this.#turnedAway.delete(oldest);
    return before;
  }

  /** True once the moved job is gone from its origin: until then it could be moved, and run, a second time. */
  async #arrived(delivery: Delivery, from: string): Promise<boolean> {
    const origin = { queue: from, id: delivery.jobId };
    for (let waitedMs = 0; waitedMs <= MOVED_WAIT_MS; waitedMs += MOVED_LOOK_MS) {
      const [job] = await this.params.tasks.read([origin]);
      // Another program's message may name any queue. A job that has ended there, or is this very job, is not in
      // transit.
      if (job?.queue !== from || job.doneAt !== undefined || from === delivery.ref.queue) return true;
      await new Promise((resolve) => setTimeout(resolve, MOVED_LOOK_MS));
    }
    return false;
  }
}

function freeTopic(task: string): string {
  return `free:${task}`;
}

/** Random delay from `ms` to twice `ms`, so that jobs refused together do not return together. */
function spread(ms: number): number {
  return Math.ceil(ms * (1 + Math.random()));
}
