/**
 * A delivery: a task as a worker receives it, decoded from its BullMQ job. Beside running it, a worker may save its
 * progress and register work to do after its outcome was written.
 */
import type { Job } from 'bullmq';
import type { JobRef, Notices } from '../broker/broker.js';
import { progressTopic } from '../broker/notice-channels.js';
import type { RateToken } from '../coordination/rate-limits.js';
import { taskIdOfJob } from '../protocol/ids.js';
import { queueOfLane } from '../protocol/lanes.js';
import { type Message, messageFrom } from '../protocol/message.js';
import { type Stretch, wakingsOf } from '../protocol/waiting.js';

/** A task as a worker receives it. */
export interface Delivery {
  readonly taskId: string;
  readonly jobId: string;
  /** The queue's name; for a lane, the name of its queue. */
  readonly queue: string;
  /** Where the job lies, which may be a lane. */
  readonly ref: JobRef;
  /** The token of its lock: distinguishes this run from others of the same job. */
  readonly token: string;
  readonly name: string;
  readonly message: Message;
  /** The rate token that its lane's gate granted. */
  readonly turn: RateToken | undefined;
  /** Whether a parent job of BullMQ's waits for this one. */
  readonly hasParent: boolean;
  /** Attempts that failed before this one. */
  readonly retries: number;
  /** How often a worker started this task, this time included; a waking counts as none. */
  readonly deliveries: number;
  /** How often a worker fetched the task to go on after a sleep or a wait. */
  readonly wakings?: number;
  /** The stretch that this delivery continues; absent when it begins an attempt. */
  readonly woken?: Stretch | undefined;
  /** How often its worker died while running it. */
  readonly stalls: number;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
  /** The trace of its call. */
  readonly trace: string | undefined;
  /** Writes `{ state, meta }` and notifies listeners. */
  saveProgress(progress: object): Promise<void>;
  /** Runs `body` after the job's outcome was written. Never runs it if the lock was lost and nothing was written. */
  afterwards(body: () => Promise<void>): void;
  /** For a part of a workflow: what will be called with its result. */
  readonly links?: readonly { readonly id: string; readonly name: string }[];
  /** Gives the slot of this run to others, while its task does nothing but wait. Absent where a run has none. */
  lendSlot?(): void;
  /** Takes a slot again, before the task goes on. */
  regainSlot?(): Promise<void>;
  /** Takes a slot at once, in place of that of another run, which gives it back right after. */
  takeSlot?(): void;
  /** Whether its run has a slot. */
  hasSlot?(): boolean;
  /** Lets the end of its run fetch another job though it has no slot. */
  bringNext?(appetite: Appetite): void;
}

/** How many jobs may be fetched that need no slot of their own: calls for a batch that collects. */
export interface Appetite {
  /** Whether one more may be fetched; then `fed` follows. */
  wants(): boolean;
  /** The fetch has ended, whatever it brought. */
  fed(): void;
}

/** What a delivery needs of its consumer. */
export interface DeliveryHost {
  signals(): Notices;
  onProgress(delivery: Delivery, progress: object): void;
}

/** What a delivery needs of its run. */
export interface DeliveryRun {
  readonly token: string;
  readonly turn: RateToken | undefined;
  afterwards(body: () => Promise<void>): void;
  lendSlot(): void;
  regainSlot(): Promise<void>;
  takeSlot(): void;
  readonly hasSlot: boolean;
  appetite: Appetite | undefined;
}

/**
 * The delivery of a job. A class, like every object that is made per task and refers to its job: V8 may pretenure object
 * literals, and a pretenured object retains its job, arguments and commands until the next full collection (measured:
 * 4 KB a task, and a tenth of a worker's time).
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
  readonly wakings: number;
  readonly woken: Stretch | undefined;
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
    const { wakings, woken } = wakingsOf(job.stacktrace?.at(-1), job.attemptsStarted);
    this.wakings = wakings;
    this.woken = woken ?? movedStretch(this.message, job.attemptsStarted);
    this.deliveries = job.attemptsStarted - wakings + (this.message.begun ?? 0);
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

  lendSlot(): void {
    this.#run.lendSlot();
  }

  regainSlot(): Promise<void> {
    return this.#run.regainSlot();
  }

  takeSlot(): void {
    this.#run.takeSlot();
  }

  hasSlot(): boolean {
    return this.#run.hasSlot;
  }

  bringNext(appetite: Appetite): void {
    this.#run.appetite = appetite;
  }
}

/** What the first fetch of a job goes on with that was moved into its lane as it woke up. */
function movedStretch({ ranMs }: Message, starts: number): Stretch | undefined {
  return ranMs === undefined || starts > 1 ? undefined : { ranMs };
}

/** How often a worker fetched the task, wakings included: no two deliveries have the same number. */
export function startsOf({ deliveries, wakings = 0 }: Pick<Delivery, 'deliveries' | 'wakings'>): number {
  return deliveries + wakings;
}

/** How often a worker fetched the job, which a move into a lane begins to count anew. */
export function fetchesOf(delivery: Pick<Delivery, 'deliveries' | 'wakings' | 'message'>): number {
  return startsOf(delivery) - (delivery.message.begun ?? 0);
}

/** A copy of a delivery with another message or trace, or with links. */
export function amended(
  delivery: Delivery,
  change: Partial<Pick<Delivery, 'message' | 'trace' | 'links'>>,
): Delivery {
  return {
    ...delivery,
    ...change,
    saveProgress: (progress) => delivery.saveProgress(progress),
    afterwards: (body) => delivery.afterwards(body),
    lendSlot: () => delivery.lendSlot?.(),
    regainSlot: async () => delivery.regainSlot?.(),
    takeSlot: () => delivery.takeSlot?.(),
    hasSlot: () => delivery.hasSlot?.() === true,
    bringNext: (appetite) => delivery.bringNext?.(appetite),
  };
}
