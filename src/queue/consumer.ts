/**
 * Takes tasks out of one queue: the loop that does it, the BullMQ Worker it works through, and what deliveries ask of
 * them. The only place where a run's outcome is written to the broker, in one atomic step of BullMQ's per settlement.
 */
import { randomUUID } from 'node:crypto';
import type { Job } from 'bullmq';
import type { Engine, JobRef } from '../broker/broker.js';
import { recordRelocation } from '../coordination/relocations.js';
import { type Message, messageFrom } from '../protocol/message.js';
import { sleep } from '../timers.js';
import type { Delivery } from './delivery.js';
import { FetchWatchdog } from './fetch-watchdog.js';
import type { LaneGate } from './lane-gate.js';
import type { LockKeeper } from './locks/lock-keeper.js';
import { OutcomeWriter } from './outcome-writer.js';
import { jobJson } from './producer.js';
import { QueueWorker } from './queue-worker.js';
import type { Run } from './run.js';
import type { Settlement } from './settlement.js';
import { type Share, SlotAccount, type Slots } from './slots.js';
import { WorkerLoop } from './worker-loop.js';

/** What a consumer needs. */
export interface ConsumerParams {
  readonly engine: Engine;
  readonly queue: string;
  readonly slots: Slots;
  /** The queue's claim on them. */
  readonly share: Share;
  /** Stands before the queue when it is a lane. */
  readonly gate?: LaneGate | undefined;
  /** The node's name, kept with each job it runs. */
  readonly node: string;
  readonly lockDurationMs: number;
  /** How often dead workers' jobs are looked for, ms: one is found in the second look after its lock ended. */
  readonly stalledIntervalMs: number;
  /** Renews the locks of what runs. */
  readonly locks: LockKeeper;
  run(delivery: Delivery): Promise<Settlement>;
  /** The task's own state was written. */
  onProgress(delivery: Delivery, progress: object): void;
  /** The lock of this run could not be renewed: somebody else may run its job now. */
  onLockLost(delivery: Delivery): void;
  onError(error: Error): void;
}

/** More than any budget: how many jobs run is decided by slots, not by BullMQ. */
const UNBOUNDED = 100_000;
/** BullMQ gives up a job after so many stalls; celeriac decides by `maxDeliveries` instead. */
const NEVER = 1_000_000;

/** Consumes one queue from `run` to `close`. */
export class Consumer {
  readonly queue: string;
  readonly #account: SlotAccount;
  readonly #watchdog = new FetchWatchdog();
  readonly #writer: OutcomeWriter;
  readonly #loop: WorkerLoop;
  readonly #worker: QueueWorker;
  readonly #release: () => void;
  #abandoned = false;

  constructor(private readonly params: ConsumerParams) {
    const { engine, queue, node, lockDurationMs, gate } = params;
    const onError = (error: Error) => params.onError(error);
    const parts = engine.bullmq();
    /** On PostgreSQL waiting takes nothing away, and a delaying fetches in a statement of its own. */
    const onRedis = engine.kind !== 'postgres' && engine.kind !== 'embedded';
    this.queue = queue;
    this.#release = () => parts.release?.();
    this.#account = new SlotAccount(params.slots, params.share);
    this.#writer = new OutcomeWriter({
      backend: () => this.#worker.backend,
      copyTo: (job, lane) => this.#copyTo(job, lane),
      isUnavailable: (error) => engine.isUnavailable(error),
      noticeFirst: engine.signals.ordered,
      notify: (run, completed) => this.#notify(run, completed),
      delaysAndFetches: onRedis,
      abandoned: () => this.#abandoned,
      salvage: (error, run) => this.#worker.salvage(error, run.token, run.job.id),
      pause: (ms) => sleep(ms, { ref: false }),
      onError,
    });
    this.#loop = new WorkerLoop({
      queue,
      node,
      id: randomUUID(),
      account: this.#account,
      gate,
      watchdog: this.#watchdog,
      writer: this.#writer,
      leavesMarker: onRedis,
      putMarkerBack: async () => parts.putMarkerBack?.(queue),
      host: {
        signals: () => engine.signals,
        onProgress: (delivery, progress) => params.onProgress(delivery, progress),
      },
      run: (run) => params.run(run.delivery),
      onError,
    });
    this.#worker = new QueueWorker(
      queue,
      {
        connection: parts.connection as never,
        ...(parts.prefix !== undefined && { prefix: parts.prefix }),
        name: node,
        concurrency: UNBOUNDED,
        lockDuration: lockDurationMs,
        stalledInterval: params.stalledIntervalMs,
        maxStalledCount: NEVER,
        keeper: params.locks,
        sever: parts.sever,
        salvage: parts.salvage,
        onLockLost: (jobId, token) => this.#lockLost(jobId, token),
      },
      parts.factory as never,
      this.#loop,
    );
    this.#worker.on('error', onError);
  }

  get slots(): Slots {
    return this.#account.slots;
  }

  /** How long it has been deaf, ms: connected perhaps, but no longer taking tasks. */
  get stalledForMs(): number {
    return this.#watchdog.lateMs;
  }

  /** From now on this queue runs on other slots; what runs already counts there. */
  useSlots(slots: Slots): void {
    this.#account.switchTo(slots);
  }

  /** Resolves when the queue can be listened to. */
  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Begins to fetch. */
  run(): void {
    this.#worker.run().catch((error: Error) => this.params.onError(error));
  }

  /** Fetches no more; resolves when what runs has been settled. Idempotent. */
  async close(): Promise<void> {
    this.#watchdog.stop();
    const closed = this.#worker.close();
    this.#loop.stop();
    await closed;
    await this.#writer.finished();
    this.#release();
  }

  /** Lets go at once of a broker that cannot be told: nothing of this consumer keeps the process alive. */
  abandon(): void {
    this.#abandoned = true;
    this.#worker.abandon();
  }

  /** Steps 1 and 2 of a move: see `moves`. */
  async #copyTo(job: Job, lane: string): Promise<void> {
    const { engine } = this.params;
    const from: JobRef = { queue: this.queue, id: job.id ?? '' };
    await recordRelocation(engine, from, lane);
    const tried = job.attemptsMade + (messageFrom(job.data).tried ?? 0);
    const backend = await engine.backend(lane);
    const copy = jobJson({
      jobId: from.id,
      name: job.name,
      data: JSON.stringify({ ...job.data, from: from.queue, ...(tried > 0 && { tried }) }),
      sentAt: job.timestamp,
      delayMs: 0,
      priority: job.priority,
      ...(job.opts.telemetry?.metadata !== undefined && { trace: job.opts.telemetry.metadata }),
    });
    await backend.addJob(copy, from.id, {});
  }

  #notify({ job, quiet }: Run, completed: boolean): void {
    if (quiet) return;
    const jobId = job.id ?? '';
    // A part of a workflow is read together with the workflow.
    const alone = job.parent === undefined && (job.data as Partial<Message>)?.flow === undefined;
    const ended = completed && alone ? { queue: this.queue, id: jobId } : undefined;
    this.params.engine.signals.notify(jobId, ended);
  }

  #lockLost(jobId: string, token: string): void {
    const run = this.#loop.runs.find((run) => run.token === token && run.job.id === jobId);
    if (run !== undefined) this.params.onLockLost(run.delivery);
  }
}
