/**
 * The queues a worker consumes, as lines, and what may change about them while it runs: which they are, what slots they
 * run on, and which tasks have lanes in them.
 */
import type { Engine } from '../../broker/broker.js';
import type { SlotCounts } from '../../control/commands.js';
import { openQueue } from '../../coordination/pauses.js';
import { CeleriacError } from '../../errors.js';
import type { WeightedQueue } from '../../options/worker-values.js';
import { laneOf } from '../../protocol/lanes.js';
import { Slots } from '../../queue/slots.js';
import { settleAll } from '../../settle-all.js';
import type { Registry } from '../../tasks/registry.js';
import type { Limits } from './limits.js';
import { type MakeConsumer, QueueConsumer } from './queue-consumer.js';

export interface QueueConsumersParams {
  readonly engine: Engine;
  /** The queues to begin with. */
  readonly queues: readonly WeightedQueue[];
  /** The slots they share. */
  readonly budget: Slots;
  readonly limits: Limits;
  consumer: MakeConsumer;
  onError(error: Error): void;
}

export class QueueConsumers {
  readonly #lines = new Map<string, QueueConsumer>();
  /** Taken from no more, but tasks of them still run. */
  readonly #leaving = new Set<QueueConsumer>();
  #unfollow: () => void = () => undefined;
  #opened = false;
  #running = false;
  #closed = false;
  #abandoned = false;

  constructor(private readonly params: QueueConsumersParams) {}

  /** Begins with the worker's queues; resolves when all could be fetched from. Again after a `close`. */
  async open(): Promise<void> {
    const { queues, budget } = this.params;
    this.#lines.clear();
    this.#opened = true;
    this.#running = false;
    this.#closed = false;
    this.#abandoned = false;
    // One that fails must not leave others on their way.
    await settleAll(queues.map(({ name, weight }) => this.#consume(name, budget, weight)));
  }

  /** Begins to fetch, from all of them and from each that comes later. */
  run(): void {
    if (this.#closed) return;
    this.#running = true;
    for (const line of this.#all()) line.run();
  }

  /**
   * Takes from a queue too; with `concurrency` on slots of its own, also when it was consumed before.
   * @throws {CeleriacError} once the worker stops
   */
  async add(queue: string, concurrency: number | undefined): Promise<void> {
    if (this.#closed) throw new CeleriacError(`this worker stops: it takes nothing from "${queue}" any more`);
    const line = this.#lines.get(queue);
    const slots = concurrency === undefined ? this.params.budget : new Slots(concurrency);
    if (line === undefined) await this.#consume(queue, slots);
    else if (concurrency !== undefined) line.useSlots(slots);
  }

  /** Takes no more from a queue; what runs finishes. `false` when it was not consumed. */
  cancel(queue: string): boolean {
    const line = this.#lines.get(queue);
    if (line === undefined) return false;
    this.#lines.delete(queue);
    this.#leaving.add(line);
    void this.#end(line).then(() => this.#leaving.delete(line));
    return true;
  }

  /** From now on each task that is registered and has lanes gets them. */
  follow(registry: Pick<Registry, 'onAdded'>): void {
    this.#unfollow = registry.onAdded((task) => {
      if (task.lane) this.openLanes(task.name).catch((error: Error) => this.params.onError(error));
    });
  }

  unfollow(): void {
    this.#unfollow();
  }

  /** Gives a task lanes, if it has none here. */
  async openLanes(task: string): Promise<void> {
    const { limits } = this.params;
    if (!(await limits.add(task))) return;
    await Promise.all(this.#all().map((line) => this.#openLane(line, task)));
  }

  /** As people see them. */
  reports(): { name: string; concurrency: number }[] {
    if (this.#opened) return this.#all().map((line) => line.report);
    return this.params.queues.map(({ name }) => ({ name, concurrency: this.params.budget.limit }));
  }

  /** The queues of the broker behind them: lanes included. */
  brokerQueues(): string[] {
    return this.#all().flatMap((line) => line.queues);
  }

  /** All slots that tasks can run on: the shared ones while a queue uses them, and those of queues with their own. */
  get concurrency(): number {
    return this.#slots().reduce((sum, { limit }) => sum + limit, 0);
  }

  /** The same slots, counted. */
  get slotCounts(): SlotCounts {
    const all = this.#slots();
    const sum = (of: (slots: Slots) => number) => all.reduce((total, slots) => total + of(slots), 0);
    return {
      size: this.concurrency,
      used: sum(({ used }) => used),
      free: sum(({ limit, used }) => Math.max(0, limit - used)),
    };
  }

  /** How long one of the consumers has been deaf, ms. */
  get stalledForMs(): number {
    return Math.max(0, ...this.#all().map((line) => line.stalledForMs));
  }

  /** Fetches no more; resolves when what runs has been settled, at once when it was abandoned. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#abandoned) return;
    await Promise.all([...this.#all(), ...this.#leaving].map((line) => this.#end(line)));
  }

  /** Leaves nothing behind in this process, whatever the broker still has to hear. */
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
      // Half of a line is none: the next one who asks for this queue begins anew.
      if (this.#lines.get(queue) === line) this.#lines.delete(queue);
      await this.#end(line);
      throw error;
    }
    if (this.#running) line.run();
  }

  /** A lane of a paused queue is paused before anything is taken from it. */
  async #openLane(line: QueueConsumer, task: string): Promise<void> {
    const { engine, limits } = this.params;
    await openQueue(engine, laneOf(line.queue, task));
    await line.addLane(task, limits.gate(task));
  }

  #slots(): Slots[] {
    const lines = this.#all();
    return [...new Set(lines.length === 0 ? [this.params.budget] : lines.map((line) => line.slots))];
  }

  #all(): QueueConsumer[] {
    return [...this.#lines.values()];
  }
}
