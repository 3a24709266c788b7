/**
 * Runs due tasks with an ordinary worker, and lets time pass: the clock jumps from one due moment to the next, and at
 * each the worker runs until nothing is left to do. It must never sleep through the time that passes.
 */
import type { Celeriac } from '../app.js';
import type { AppParts } from '../app-parts.js';
import type { WatchedEngine } from '../broker/watched-engine.js';
import { queueOfLane, taskOfLane } from '../protocol/lanes.js';
import { sleep } from '../timers.js';
import type { Worker } from '../worker/worker.js';

export interface DrainParams {
  readonly app: Celeriac;
  readonly parts: AppParts;
  readonly watched: WatchedEngine;
  readonly concurrency: number;
}

const LOOK_MS = 4;

/** One `drain()` or `advance()`: its worker starts when there is something to do, and ends with it. */
export class Drain {
  #worker: Worker | undefined;
  #queues: readonly string[] = [];

  constructor(private readonly params: DrainParams) {}

  /** Runs waiting tasks, and those they send, until none is left. Rate-limited tasks run when the clock allows it. */
  async all(): Promise<void> {
    for (;;) {
      await this.#runDue();
      const opensAt = await this.#nextOpening();
      if (opensAt !== undefined) await this.#open(opensAt);
      else if (await this.#isOver()) return;
    }
  }

  /** Lets time pass, and runs the tasks that come due, each at its moment. */
  async advance(ms: number): Promise<void> {
    const until = this.params.parts.clock.now() + ms;
    for (;;) {
      const dueAt = this.params.watched.nextDueAt ?? Number.POSITIVE_INFINITY;
      const opensAt = (await this.#nextOpening()) ?? Number.POSITIVE_INFINITY;
      if (Math.min(dueAt, opensAt) > until) {
        // Tasks that waited before and were not drained keep waiting.
        if (this.#worker === undefined || (await this.#isOver())) break;
      } else if (opensAt < dueAt) await this.#open(opensAt);
      else this.#jumpTo(dueAt);
      await this.#runDue();
    }
    this.#jumpTo(until);
  }

  /** Stops the worker before the check, since its last work may be to call back other tasks. */
  async #isOver(): Promise<boolean> {
    await this.close();
    return this.#isIdle();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.stop();
  }

  #jumpTo(at: number): void {
    const { clock } = this.params.parts;
    clock.jump(Math.max(0, Math.ceil(at - clock.now())));
  }

  /** Jumps to the next permitted start. Stops the worker, which would sleep until then; the next one asks anew. */
  async #open(at: number): Promise<void> {
    await this.close();
    this.#jumpTo(at);
  }

  async #runDue(): Promise<void> {
    for (;;) {
      await this.params.watched.promoteDue();
      if (await this.#isIdle()) return;
      await this.#ensureWorker();
      await this.#untilIdle(this.#queues);
    }
  }

  /** Starts a worker for all queues. */
  async #ensureWorker(): Promise<void> {
    const { app, watched, concurrency } = this.params;
    const queues = [...new Set([...watched.queues].map(queueOfLane))];
    if (this.#worker !== undefined && queues.length === this.#queues.length) return;
    await this.close();
    this.#queues = queues;
    this.#worker = app.worker({ queues, concurrency, name: 'testing@%h' });
    await this.#worker.start();
  }

  async #untilIdle(queues: readonly string[]): Promise<void> {
    for (;;) {
      await this.params.watched.promoteDue();
      if (await this.#isIdle(queues)) return;
      // What a batch waits for would not come.
      if (await this.#allRun(queues)) this.#worker?.beginBatches();
      await sleep(LOOK_MS);
    }
  }

  /** True if the worker has nothing to do now in these queues, or in all. */
  async #isIdle(among?: readonly string[]): Promise<boolean> {
    const { watched, parts } = this.params;
    for (const queue of watched.queues) {
      if (among !== undefined && !among.includes(queueOfLane(queue))) continue;
      const { waiting, running } = await watched.load(queue);
      if (running > 0) return false;
      if (waiting === 0) continue;
      const opensAt = await this.#opensAt(queue);
      if (opensAt === undefined || opensAt <= parts.clock.now()) return false;
    }
    return true;
  }

  /** True if nothing waits in these queues that could run now. */
  async #allRun(queues: readonly string[]): Promise<boolean> {
    const { watched, parts } = this.params;
    for (const queue of watched.queues) {
      if (!queues.includes(queueOfLane(queue)) || (await watched.load(queue)).waiting === 0) continue;
      const opensAt = await this.#opensAt(queue);
      if (opensAt === undefined || opensAt <= parts.clock.now()) return false;
    }
    return true;
  }

  /** The next moment at which a rate allows the start of a waiting task. */
  async #nextOpening(): Promise<number | undefined> {
    const { watched } = this.params;
    let next: number | undefined;
    for (const queue of watched.queues) {
      const opensAt = await this.#opensAt(queue);
      if (opensAt === undefined || (await watched.load(queue)).waiting === 0) continue;
      next = Math.min(next ?? opensAt, opensAt);
    }
    return next;
  }

  async #opensAt(queue: string): Promise<number | undefined> {
    const task = taskOfLane(queue);
    return task === undefined ? undefined : this.params.parts.rates.opensAt(task);
  }
}
