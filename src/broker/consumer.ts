/**
 * Takes tasks out of one queue: a BullMQ Worker whose jobs become Deliveries, and whose fate is a Settlement. The only
 * place where a run's outcome is written to the broker, in one atomic step of BullMQ's per settlement.
 */
import {
  DelayedError,
  type Job,
  LockManager,
  UnrecoverableError,
  WaitingError,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import { budgeted } from './budgeted-backend.js';
import type { Engine } from './engine.js';
import { taskIdOfJob } from './ids.js';
import { KeptLocks, type LockKeeper } from './lock-keeper.js';
import { type Message, messageFrom } from './message.js';
import { SlotLedger, type Slots } from './slots.js';

/** A task as a worker receives it. */
export interface Delivery {
  readonly taskId: string;
  readonly jobId: string;
  readonly queue: string;
  readonly name: string;
  readonly message: Message;
  /** Attempts that failed before this one. */
  readonly retries: number;
  /** How often a worker began this task, this time included. */
  readonly deliveries: number;
  /** How many workers died under it. */
  readonly stalls: number;
  readonly priority: number;
  /** Epoch ms. */
  readonly sentAt: number;
  /** Writes `{ state, meta }` and wakes those who watch. */
  saveProgress(progress: object): Promise<void>;
}

/** What becomes of a delivery; each kind is one atomic write, `abandon` is none. */
export type Settlement =
  | { readonly kind: 'complete'; readonly value: unknown; readonly keep: boolean; readonly quiet: boolean }
  | { readonly kind: 'fail'; readonly message: string; readonly stack: string; readonly keep: boolean }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly message: string; readonly stack: string }
  /** Again later, without counting as an attempt. */
  | { readonly kind: 'postpone'; readonly delayMs: number }
  /** Back to the front of the queue for another worker, without counting as an attempt. */
  | { readonly kind: 'release' }
  /** The lock is gone and with it the right to write. */
  | { readonly kind: 'abandon' };

/** What a consumer needs. */
export interface ConsumerParams {
  readonly engine: Engine;
  readonly queue: string;
  readonly slots: Slots;
  /** The node's name, kept with each job it runs. */
  readonly node: string;
  readonly lockDurationMs: number;
  /** How often dead workers' jobs are looked for, ms: one is found in the second look after its lock ended. */
  readonly stalledIntervalMs: number;
  /** Renews the locks of what runs. */
  readonly locks: LockKeeper;
  run(delivery: Delivery): Promise<Settlement>;
  /** The locks of these jobs could not be renewed: somebody else may run them now. */
  onLocksLost(jobIds: readonly string[]): void;
  onError(error: Error): void;
}

/** More than any budget: how many jobs run is decided by slots, not by BullMQ. */
const UNBOUNDED = 100_000;
/** BullMQ gives up a job after so many stalls; celeriac decides by `maxDeliveries` instead. */
const NEVER = 1_000_000;

/** Consumes one queue from construction to `close`. */
export class Consumer {
  readonly queue: string;
  readonly #ledger: SlotLedger;
  readonly #worker: Worker;
  /** Jobs whose end nobody may wait for: no notice is sent. */
  readonly #quiet = new Set<string>();

  constructor(private readonly params: ConsumerParams) {
    const { engine, queue, node, lockDurationMs } = params;
    this.queue = queue;
    this.#ledger = new SlotLedger(params.slots);
    const parts = engine.bullmq();
    const factory = budgeted(parts.factory, {
      ledger: this.#ledger,
      moved: (jobId) => this.#notify(jobId),
      noticeFirst: engine.signals.ordered,
    });
    this.#worker = new QueueWorker(
      queue,
      // Two parameters only: BullMQ makes an AbortController per job for a third.
      (job, token) => this.#process(job, token ?? ''),
      {
        connection: parts.connection as never,
        ...(parts.prefix !== undefined && { prefix: parts.prefix }),
        name: node,
        concurrency: UNBOUNDED,
        lockDuration: lockDurationMs,
        stalledInterval: params.stalledIntervalMs,
        maxStalledCount: NEVER,
        keeper: params.locks,
        settings: {
          backoffStrategy: (_attempts, _type, error) => (error instanceof RetryLater ? error.delayMs : -1),
        },
        runRetryDelay: 1000,
      },
      factory as never,
    );
    this.#worker.on('error', (error) => params.onError(error));
    this.#worker.on('lockRenewalFailed', (jobIds) => params.onLocksLost(jobIds));
  }

  get slots(): Slots {
    return this.#ledger.slots;
  }

  /** From now on this queue runs on other slots; what runs already counts there. */
  useSlots(slots: Slots): void {
    this.#ledger.switchTo(slots);
  }

  /** Resolves when the queue is being listened to. */
  async ready(): Promise<void> {
    await this.#worker.waitUntilReady();
  }

  /** Fetches no more; resolves when what runs has been settled. Idempotent. */
  async close(): Promise<void> {
    const closed = this.#worker.close();
    this.#ledger.close();
    await closed;
  }

  #process(job: Job, token: string): Promise<unknown> {
    return this.params.run(this.#delivery(job)).then((settlement) => this.#apply(job, token, settlement));
  }

  #delivery(job: Job): Delivery {
    const jobId = job.id ?? '';
    const message = messageFrom(job.data);
    return {
      taskId: message.id ?? taskIdOfJob(jobId),
      jobId,
      queue: this.queue,
      name: job.name,
      message,
      retries: job.attemptsMade,
      deliveries: job.attemptsStarted,
      stalls: job.stalledCounter,
      priority: job.priority,
      sentAt: job.timestamp,
      saveProgress: async (progress) => {
        await job.updateProgress(progress);
        this.params.engine.signals.notify(jobId);
      },
    };
  }

  /** BullMQ writes what its processor returns or throws; per-job options decide how. */
  #apply(job: Job, token: string, settlement: Settlement): unknown {
    switch (settlement.kind) {
      case 'complete':
        if (!settlement.keep) job.opts.removeOnComplete = true;
        if (settlement.quiet && job.id !== undefined) this.#quiet.add(job.id);
        return settlement.value;
      case 'fail':
        if (!settlement.keep) job.opts.removeOnFail = true;
        job.opts.stackTraceLimit = 1;
        throw withStack(new UnrecoverableError(settlement.message), settlement.stack);
      case 'retry':
        job.opts.attempts = Number.MAX_SAFE_INTEGER;
        job.opts.backoff = { type: 'celeriac' };
        job.opts.stackTraceLimit = 1;
        throw withStack(new RetryLater(settlement.message, settlement.delayMs), settlement.stack);
      case 'postpone':
        return moved(job.moveToDelayed(Date.now() + settlement.delayMs, token), new DelayedError());
      case 'release':
        return moved(job.moveToWait(token), new WaitingError());
      case 'abandon':
        this.#ledger.leave(job.id ?? '');
        // BullMQ takes this for "already moved elsewhere" and writes nothing.
        throw new WaitingError();
    }
  }

  #notify(jobId: string): void {
    if (!this.#quiet.delete(jobId)) this.params.engine.signals.notify(jobId);
  }
}

/** Once a job has been moved by hand, BullMQ wants to hear so by an error. */
async function moved(move: Promise<unknown>, sign: Error): Promise<never> {
  await move;
  throw sign;
}

type QueueWorkerOptions = WorkerOptions & { readonly keeper: LockKeeper };

/** A BullMQ Worker whose locks are renewed by our keeper. */
class QueueWorker extends Worker {
  declare readonly opts: QueueWorkerOptions;

  constructor(
    name: string,
    run: (job: Job, token?: string) => Promise<unknown>,
    opts: QueueWorkerOptions,
    factory: never,
  ) {
    super(name, run, opts, factory);
  }

  // Called by Worker's constructor, so everything it needs has to be in the options by then.
  protected override createLockManager(): void {
    const { keeper, lockRenewTime = 0, lockDuration = 0, name } = this.opts;
    const opts = {
      lockRenewTime,
      lockDuration,
      workerId: this.id,
      ...(name !== undefined && { workerName: name }),
    };
    this.lockManager = keeper.threaded
      ? new KeptLocks(this as never, opts, keeper, this.name, (jobIds) =>
          this.emit('lockRenewalFailed', jobIds),
        )
      : new LockManager(this as never, opts);
  }
}

/** Makes BullMQ count the attempt and delay the job, in one step. */
class RetryLater extends Error {
  constructor(
    message: string,
    readonly delayMs: number,
  ) {
    super(message);
  }
}

function withStack<E extends Error>(error: E, stack: string): E {
  error.stack = stack;
  return error;
}
