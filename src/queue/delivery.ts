/**
 * A task as a worker receives it, read from its BullMQ job. What a worker may do with it besides running it: save its
 * progress, and have something done once its fate is written.
 */
import type { Job } from 'bullmq';
import type { JobRef, Notices } from '../broker/broker.js';
import { progressTopic } from '../broker/notice-channels.js';
import type { RateToken } from '../coordination/rate-limits.js';
import { taskIdOfJob } from '../protocol/ids.js';
import { queueOfLane } from '../protocol/lanes.js';
import { type Message, messageFrom } from '../protocol/message.js';

/** A task as a worker receives it. */
export interface Delivery {
  readonly taskId: string;
  readonly jobId: string;
  /** As people know it: a lane goes by its queue's name. */
  readonly queue: string;
  /** Where the job really lies. */
  readonly ref: JobRef;
  /** Of its lock: tells this run from others of the same job. */
  readonly token: string;
  readonly name: string;
  readonly message: Message;
  /** The turn it was let out of its lane by. */
  readonly turn: RateToken | undefined;
  /** Another job waits for this one in the broker itself. */
  readonly hasParent: boolean;
  /** Attempts that failed before this one. */
  readonly retries: number;
  /** How often a worker began this task, this time included. */
  readonly deliveries: number;
  /** How many workers died under it. */
  readonly stalls: number;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
  /** The trace its call was part of. */
  readonly trace: string | undefined;
  /** Writes `{ state, meta }` and wakes those who watch. */
  saveProgress(progress: object): Promise<void>;
  /** `body` runs once the job's fate has been written; not when that was no longer ours to do. */
  afterwards(body: () => Promise<void>): void;
}

/** What a delivery asks of the consumer it came by. */
export interface DeliveryHost {
  signals(): Notices;
  onProgress(delivery: Delivery, progress: object): void;
}

/** What a delivery asks of its run. */
export interface DeliveryRun {
  readonly token: string;
  readonly turn: RateToken | undefined;
  afterwards(body: () => Promise<void>): void;
}

/**
 * The delivery of a job. A class, as everything is that is made for each task and leads to its job: V8 may come to put
 * the objects of a literal straight among the old ones, where each keeps its job, arguments and commands with it until
 * the next full collection (measured at 4 KB a task, and a tenth of a worker's time).
 */
export class JobDelivery implements Delivery {
  readonly taskId: string;
  readonly jobId: string;
  readonly queue: string;
  readonly ref: JobRef;
  readonly token: string;
  readonly name: string;
  readonly message: Message;
  readonly turn: RateToken | undefined;
  readonly hasParent: boolean;
  readonly retries: number;
  readonly deliveries: number;
  readonly stalls: number;
  readonly priority: number;
  readonly sentAt: number;
  readonly trace: string | undefined;
  readonly #job: Job;
  readonly #host: DeliveryHost;
  readonly #run: DeliveryRun;

  constructor(job: Job, queue: string, host: DeliveryHost, run: DeliveryRun) {
    this.#job = job;
    this.#host = host;
    this.#run = run;
    this.token = run.token;
    this.jobId = job.id ?? '';
    this.message = messageFrom(job.data);
    this.taskId = this.message.id ?? taskIdOfJob(this.jobId);
    this.queue = queueOfLane(queue);
    this.ref = { queue, id: this.jobId };
    this.name = job.name;
    this.turn = run.turn;
    this.hasParent = job.parentKey !== undefined;
    this.retries = job.attemptsMade + (this.message.tried ?? 0);
    this.deliveries = job.attemptsStarted;
    this.stalls = job.stalledCounter;
    this.priority = job.priority;
    this.sentAt = job.timestamp;
    this.trace = job.opts.telemetry?.metadata;
  }

  async saveProgress(progress: object): Promise<void> {
    const signals = this.#host.signals();
    const written = this.#job.updateProgress(progress);
    if (!signals.ordered) await written;
    signals.hint(progressTopic(this.jobId));
    await written;
    this.#host.onProgress(this, progress);
  }

  afterwards(body: () => Promise<void>): void {
    this.#run.afterwards(body);
  }
}

/** The same delivery with some of it read otherwise. */
export function amended(delivery: Delivery, change: Partial<Pick<Delivery, 'message' | 'trace'>>): Delivery {
  return {
    ...delivery,
    ...change,
    saveProgress: (progress) => delivery.saveProgress(progress),
    afterwards: (body) => delivery.afterwards(body),
  };
}
