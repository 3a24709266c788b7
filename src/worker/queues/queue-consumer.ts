/** One queue as a worker consumes it: the queue itself and the lanes of its limited tasks, all on the same slots. */

import { laneOf } from '../../protocol/lanes.js';
import type { Consumer, ConsumerParams } from '../../queue/consumer.js';
import type { LaneGate } from '../../queue/lane-gate.js';
import type { BullmqWorker } from '../../queue/raw-queues.js';
import { Share, type Slots } from '../../queue/slots.js';

/** Creates the consumer of one queue of the broker. */
export type MakeConsumer = (params: Pick<ConsumerParams, 'queue' | 'slots' | 'share' | 'gate'>) => Consumer;

export class QueueConsumer {
  readonly #lanes = new Map<string, Consumer>();
  readonly #plain: Consumer;
  /** The queue and its lanes count as one in the weighting of slots. */
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

  /** BullMQ's own Worker of the queue, without its lanes. */
  get bullmq(): BullmqWorker {
    return this.#plain.bullmq;
  }

  /** What people see: the queue, and how many of its tasks may run at once. */
  get report(): { readonly name: string; readonly concurrency: number } {
    return { name: this.queue, concurrency: this.#plain.slots.limit };
  }

  /** The longest time one of its consumers has been stalled, ms. */
  get stalledForMs(): number {
    return Math.max(...this.#all().map((consumer) => consumer.stalledForMs));
  }

  /** The slots its tasks run on. */
  get slots(): Slots {
    return this.#plain.slots;
  }

  /** Names of the broker's queues behind it, lanes included. */
  get queues(): string[] {
    return this.#all().map((consumer) => consumer.queue);
  }

  /** Also consumes the lane of a task. */
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

  /** Starts fetching; lanes added later start fetching at once. */
  run(): void {
    if (this.#closed) return;
    this.#running = true;
    for (const consumer of this.#all()) consumer.run();
  }

  /** Moves all its consumers to other slots. */
  useSlots(slots: Slots): void {
    for (const consumer of this.#all()) consumer.useSlots(slots);
  }

  async ready(): Promise<void> {
    await this.#plain.ready();
  }

  /** Stops fetching; resolves when running tasks have been settled. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#all().map((consumer) => consumer.close()));
  }

  /** Stops at once and frees everything in this process, even with writes to the broker pending. */
  abandon(): void {
    for (const consumer of this.#all()) consumer.abandon();
  }

  #all(): Consumer[] {
    return [this.#plain, ...this.#lanes.values()];
  }
}
