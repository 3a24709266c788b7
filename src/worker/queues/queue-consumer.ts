/**
 * One queue as a worker consumes it: the queue itself and the lanes of its limited tasks, all on the same slots.
 */

import { laneOf } from '../../protocol/lanes.js';
import type { Consumer, ConsumerParams } from '../../queue/consumer.js';
import type { LaneGate } from '../../queue/lane-gate.js';
import { Share, type Slots } from '../../queue/slots.js';

/** Consumes one queue of the broker. */
export type MakeConsumer = (params: Pick<ConsumerParams, 'queue' | 'slots' | 'share' | 'gate'>) => Consumer;

export class QueueConsumer {
  readonly #lanes = new Map<string, Consumer>();
  readonly #plain: Consumer;
  /** One for the queue and its lanes: they count as one. */
  readonly #share: Share;
  #running = false;
  #closed = false;

  constructor(
    readonly queue: string,
    { slots, weight }: { readonly slots: Slots; readonly weight: number },
    private readonly make: MakeConsumer,
  ) {
    this.#share = new Share(weight);
    this.#plain = make({ queue, slots, share: this.#share });
  }

  /** As people see it: the queue, and how many of its tasks may run at once. */
  get report(): { readonly name: string; readonly concurrency: number } {
    return { name: this.queue, concurrency: this.#plain.slots.limit };
  }

  /** How long one of its consumers has been deaf, ms. */
  get stalledForMs(): number {
    return Math.max(...this.#all().map((consumer) => consumer.stalledForMs));
  }

  /** What its tasks run on. */
  get slots(): Slots {
    return this.#plain.slots;
  }

  /** The queues of the broker behind it. */
  get queues(): string[] {
    return this.#all().map((consumer) => consumer.queue);
  }

  /** Takes from a task's lane as well. */
  async addLane(task: string, gate: LaneGate): Promise<void> {
    if (this.#closed || this.#lanes.has(task)) return;
    const consumer = this.make({
      queue: laneOf(this.queue, task),
      slots: this.#plain.slots,
      share: this.#share,
      gate,
    });
    this.#lanes.set(task, consumer);
    await consumer.ready();
    if (this.#running) consumer.run();
  }

  /** Begins to fetch; what is added later does so as it comes. */
  run(): void {
    if (this.#closed) return;
    this.#running = true;
    for (const consumer of this.#all()) consumer.run();
  }

  /** From now on it runs on other slots. */
  useSlots(slots: Slots): void {
    for (const consumer of this.#all()) consumer.useSlots(slots);
  }

  async ready(): Promise<void> {
    await this.#plain.ready();
  }

  /** Fetches no more; resolves when what runs has been settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#all().map((consumer) => consumer.close()));
  }

  /** Leaves nothing behind in this process, whatever the broker still has to hear. */
  abandon(): void {
    for (const consumer of this.#all()) consumer.abandon();
  }

  #all(): Consumer[] {
    return [this.#plain, ...this.#lanes.values()];
  }
}
