/**
 * The queues a worker consumes, and what may change about them while it runs: the set of queues, the slots they run
 * on, and which tasks have lanes in them.
 */
import type { Engine } from '../../broker/broker.js';
import type { SlotCounts } from '../../control/commands.js';
import { openQueue } from '../../coordination/pauses.js';
import { CeleriacError } from '../../errors.js';
import { checkDeclared, type DeclaredQueues } from '../../options/queues.js';
import type { WeightedQueue } from '../../options/worker-values.js';
import { laneOf } from '../../protocol/lanes.js';
import type { BullmqWorker } from '../../queue/raw-queues.js';
import { Slots } from '../../queue/slots.js';
import { settleAll } from '../../settle-all.js';
import type { Registry } from '../../tasks/registry.js';
import type { Limits } from './limits.js';
import { type MakeConsumer, QueueConsumer } from './queue-consumer.js';

export interface QueueConsumersParams {
  readonly engine: Engine;
  /** The initial queues. */
  readonly queues: readonly WeightedQueue[];
  /** The queues that it may take from; undefined: any. */
  readonly declared?: DeclaredQueues;
  /** The shared slots. */
  readonly budget: Slots;
  readonly limits: Limits;
  consumer: MakeConsumer;
  onError(error: Error): void;
}

export class QueueConsumers {
  readonly #lines = new Map<string, QueueConsumer>();
  /** Cancelled queues whose running tasks have not finished. */
  readonly #leaving = new Set<QueueConsumer>();
  #unfollow: () => void = () => undefined;
  #opened = false;
  #running = false;
  #closed = false;
  #abandoned = false;

  constructor(private readonly params: QueueConsumersParams) {}

  /** Opens the worker's queues; resolves when all of them can be fetched from. May be called again after `close`. */
  async open(): Promise<void> {
    const { queues, budget } = this.params;
    this.#lines.clear();
    this.#opened = true;
    this.#running = false;
    this.#closed = false;
    this.#abandoned = false;
    // Waits for all: if one fails, the others must not be left opening.
    await settleAll(queues.map(({ name, weight }) => this.#consume(name, budget, weight)));
  }

  /** Starts fetching from all queues, and from each that is added later. */
  run(): void {
    if (this.#closed) return;
    this.#running = true;
    for (const line of this.#all()) line.run();
  }

  /**
   * Consumes one more queue. With `concurrency` the queue gets slots of its own, also when it was consumed before.
   * @throws {CeleriacError} once the worker stops, and for a queue that the app does not declare
   */
  async add(queue: string, concurrency: number | undefined): Promise<void> {
    if (this.#closed) throw new CeleriacError(`this worker stops: it takes nothing from "${queue}" any more`);
    checkDeclared(this.params.declared, queue, 'addConsumer');
    const line = this.#lines.get(queue);
    const slots = concurrency === undefined ? this.params.budget : new Slots(concurrency);
    if (line === undefined) await this.#consume(queue, slots);
    else if (concurrency !== undefined) line.useSlots(slots);
  }

  /** Stops taking from a queue; running tasks finish. `false` when it was not consumed. */
  cancel(queue: string): boolean {
    const line = this.#lines.get(queue);
    if (line === undefined) return false;
    this.#lines.delete(queue);
    this.#leaving.add(line);
    void this.#end(line).then(() => this.#leaving.delete(line));
    return true;
  }

  /** Opens lanes for each task that is registered later and has some. */
  follow(registry: Pick<Registry, 'onAdded'>): void {
    this.#unfollow = registry.onAdded((task) => {
      if (task.lane) this.openLanes(task.name).catch((error: Error) => this.params.onError(error));
    });
  }

  unfollow(): void {
    this.#unfollow();
  }

  /** Opens lanes for a task, if it has none here. */
  async openLanes(task: string): Promise<void> {
    const { limits } = this.params;
    if (!(await limits.add(task))) return;
    await Promise.all(this.#all().map((line) => this.#openLane(line, task)));
  }

  /**
   * BullMQ's own Worker of a queue.
   * @throws {CeleriacError} for a queue that is not consumed
   */
  bullmq(queue: string): BullmqWorker {
    const line = this.#lines.get(queue);
    if (line !== undefined) return line.bullmq;
    const names = [...this.#lines.keys()];
    throw new CeleriacError(
      names.length === 0
        ? 'worker.bullmq(): this worker takes from no queue. Start it first.'
        : `worker.bullmq(): queue "${queue}" is not consumed here. Consumed: ${names.join(', ')}.`,
    );
  }

  /** What people see of each queue: its name and concurrency. */
  reports(): { name: string; concurrency: number }[] {
    if (this.#opened) return this.#all().map((line) => line.report);
    return this.params.queues.map(({ name }) => ({ name, concurrency: this.params.budget.limit }));
  }

  /** Names of the broker's queues behind them, lanes included. */
  brokerQueues(): string[] {
    return this.#all().flatMap((line) => line.queues);
  }

  /** All slots that tasks can run on: the shared ones while a queue uses them, plus those of queues with their own. */
  get concurrency(): number {
    return this.#slots().reduce((sum, { limit }) => sum + limit, 0);
  }

  /** Limit and use of those slots. */
  get slotCounts(): SlotCounts {
    const all = this.#slots();
    const sum = (of: (slots: Slots) => number) => all.reduce((total, slots) => total + of(slots), 0);
    return {
      size: this.concurrency,
      used: sum(({ used }) => used),
      free: sum(({ limit, used }) => Math.max(0, limit - used)),
    };
  }

  /** The longest time one of the consumers has been stalled, ms. */
  get stalledForMs(): number {
    return Math.max(0, ...this.#all().map((line) => line.stalledForMs));
  }

  /** Stops fetching; resolves when running tasks have been settled, or at once after `abandon`. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#abandoned) return;
    await Promise.all([...this.#all(), ...this.#leaving].map((line) => this.#end(line)));
  }

  /** Stops at once and frees everything in this process, even with writes to the broker pending. */
  abandon(): void {
    this.#abandoned = true;
    for (const line of [...this.#all(), ...this.#leaving]) line.abandon();
  }

  async #end(line: QueueConsumer): Promise<void> {
    await line.close().catch((error: Error) => this.params.onError(error));
  }

  async #consume(queue: string, slots: Slots, weight = 1): Promise<void> {
    if (this.#closed) return;
    const { limits, consumer } = this.params;
    const line = new QueueConsumer(queue, { slots, weight }, consumer);
    this.#lines.set(queue, line);
    try {
      await openQueue(this.params.engine, queue);
      await line.ready();
      await Promise.all(limits.laned.map((task) => this.#openLane(line, task)));
    } catch (error) {
      // A half-opened consumer is useless: the next request for this queue starts anew.
      if (this.#lines.get(queue) === line) this.#lines.delete(queue);
      await this.#end(line);
      throw error;
    }
    if (this.#running) line.run();
  }

  /** Opens a lane. A lane of a paused queue is paused before a job is taken from it. */
  async #openLane(line: QueueConsumer, task: string): Promise<void> {
    const { engine, limits } = this.params;
    const lane = laneOf(line.queue, task);
    await openQueue(engine, lane);
    await line.addLane(task, limits.gate(task, lane));
  }

  #slots(): Slots[] {
    const lines = this.#all();
    return [...new Set(lines.length === 0 ? [this.params.budget] : lines.map((line) => line.slots))];
  }

  #all(): QueueConsumer[] {
    return [...this.#lines.values()];
  }
}
