/**
 * The queue consumer: takes tasks out of one queue. Connects the worker loop with its BullMQ Worker, its slots and the
 * outcome writer. Outcomes of runs must be written to the broker only through here, in one atomic step of BullMQ's per
 * settlement.
 */
import { randomUUID } from 'node:crypto';
import type { Engine } from '../broker/broker.js';
import type { Message } from '../protocol/message.js';
import { sleep } from '../timers.js';
import type { Delivery } from './delivery.js';
import { FetchWatchdog } from './fetch-watchdog.js';
import { JobMoves } from './job-moves.js';
import type { LaneGate } from './lane-gate.js';
import type { LockKeeper } from './locks/lock-keeper.js';
import { OutcomeWriter } from './outcome-writer.js';
import { QueueWorker } from './queue-worker.js';
import type { BullmqWorker } from './raw-queues.js';
import type { Run } from './run.js';
import type { Settlement } from './settlement.js';
import { type Share, SlotAccount, type Slots } from './slots.js';
import { WorkerLoop } from './worker-loop.js';

/** The settings and collaborators of a consumer. */
export interface ConsumerParams {
  readonly engine: Engine;
  readonly queue: string;
  readonly slots: Slots;
  /** The queue's share of the slots. */
  readonly share: Share;
  /** For a lane only: the gate that delays its fetches. */
  readonly gate?: LaneGate | undefined;
  /** The node's name, stored with each job that it runs. */
  readonly node: string;
  readonly lockDurationMs: number;
  /** How often stalled jobs are searched, ms. A job is found by the second search after its lock expired. */
  readonly stalledIntervalMs: number;
  /** Renews the locks of running jobs. */
  readonly locks: LockKeeper;
  run(delivery: Delivery): Promise<Settlement>;
  /** Called after a task's own state was written. */
  onProgress(delivery: Delivery, progress: object): void;
  /** Called when the lock of a run could not be renewed: another worker may run its job now. */
  onLockLost(delivery: Delivery): void;
  onError(error: Error): void;
}

/** Higher than any budget: slots limit how many jobs run, not BullMQ. */
const UNBOUNDED = 100_000;
/** Stalls after which BullMQ would fail a job. Out of reach, since celeriac decides by `maxDeliveries` instead. */
const NEVER = 1_000_000;

/** Consumes one queue from `run` to `close`. */
export class Consumer {
  readonly queue: string;
  readonly #account: SlotAccount;
  readonly #watchdog = new FetchWatchdog();
  readonly #writer: OutcomeWriter;
  readonly #moves: JobMoves;
  readonly #loop: WorkerLoop;
  readonly #worker: QueueWorker;
  readonly #release: () => void;
  #abandoned = false;

  constructor(private readonly params: ConsumerParams) {
    const { engine, queue, node, lockDurationMs, gate } = params;
    const onError = (error: Error) => params.onError(error);
    const parts = engine.bullmq();
    /** On PostgreSQL waiting consumes no marker, and delaying a job fetches the next one in a separate statement. */
    const onRedis = engine.kind !== 'postgres' && engine.kind !== 'embedded';
    this.queue = queue;
    this.#release = () => parts.release?.();
    this.#account = new SlotAccount(params.slots, params.share);
    this.#moves = new JobMoves(engine, queue);
    this.#writer = new OutcomeWriter({
      backend: () => this.#worker.backend,
      copyTo: (run, lane) => this.#moves.toLane(run, lane),
      change: (run, change) => this.#moves.change(run, change),
      retryIn: (run, place, retry) => this.#moves.retryIn(run, place, retry),
      isUnavailable: (error) => engine.isUnavailable(error),
      noticeFirst: engine.signals.ordered,
      notify: (run, completed) => this.#notify(run, completed),
      delaysAndFetches: onRedis,
      abandoned: () => this.#abandoned,
      onWritten: ({ job }, settlement) => this.#worker.ended(job, settlement),
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
      run: (run) => {
        this.#worker.began(run.job);
        return params.run(run.delivery);
      },
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

  /** BullMQ's own Worker behind it. */
  get bullmq(): BullmqWorker {
    return this.#worker;
  }

  get slots(): Slots {
    return this.#account.slots;
  }

  /** How long the fetch loop has been stuck, ms; 0 while it is not. */
  get stalledForMs(): number {
    return this.#watchdog.lateMs;
  }

  /** Moves this consumer to other slots; its running tasks count there from now on. */
  useSlots(slots: Slots): void {
    this.#account.switchTo(slots);
  }

  /** Resolves when the queue can be polled. */
  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Starts to fetch. */
  run(): void {
    this.#worker.run().catch((error: Error) => this.params.onError(error));
  }

  /** Stops fetching; resolves when all running tasks have been settled. Idempotent. */
  async close(): Promise<void> {
    this.#watchdog.stop();
    const closed = this.#worker.close();
    this.#loop.stop();
    await closed;
    await this.#writer.finished();
    this.#release();
  }

  /** Gives up at once on an unreachable broker: afterwards this consumer does not keep the process alive. */
  abandon(): void {
    this.#abandoned = true;
    this.#worker.abandon();
  }

  #notify({ job, quiet }: Run, completed: boolean): void {
    if (quiet) return;
    const jobId = job.id ?? '';
    // For a part of a workflow the job's value is not all: readers need the workflow's record too.
    const alone = job.parent === undefined && (job.data as Partial<Message>)?.flow === undefined;
    const ended = completed && alone ? { queue: this.queue, id: jobId } : undefined;
    this.params.engine.signals.notify(jobId, ended);
  }

  #lockLost(jobId: string, token: string): void {
    const run = this.#loop.runs.find((run) => run.token === token && run.job.id === jobId);
    if (run !== undefined) this.params.onLockLost(run.delivery);
  }
}
