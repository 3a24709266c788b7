/**
 * Takes tasks out of one queue: a BullMQ Worker whose jobs become Deliveries, and whose fate is a Settlement. The only
 * place where a run's outcome is written to the broker, in one atomic step of BullMQ's per settlement.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import { budgeted, type CompletedJob } from './budgeted-backend.js';
import { type Delivery, type DeliveryHost, JobDelivery } from './delivery.js';
import type { Engine, JobRef } from './engine.js';
import type { Gate } from './gate.js';
import type { LockKeeper } from './lock-keeper.js';
import { type Message, messageFrom } from './message.js';
import { enterMove } from './moves.js';
import { jobJson } from './producer.js';
import { Pulse } from './pulse.js';
import { QueueWorker } from './queue-worker.js';
import { type Share, SlotLedger, type Slots } from './slots.js';

/** What becomes of a delivery; each kind is one atomic write, `abandon` is none. */
export type Settlement =
  | { readonly kind: 'complete'; readonly value: unknown; readonly keep: boolean; readonly quiet: boolean }
  | { readonly kind: 'fail'; readonly message: string; readonly stack: string; readonly keep: boolean }
  | { readonly kind: 'retry'; readonly delayMs: number; readonly message: string; readonly stack: string }
  /** Again later, without counting as an attempt. */
  | { readonly kind: 'postpone'; readonly delayMs: number }
  /** Back to the front of the queue for another worker, without counting as an attempt. */
  | { readonly kind: 'release' }
  /** To the lane where it belongs, as if it had been sent there. */
  | { readonly kind: 'move'; readonly lane: string }
  /** The lock is gone and with it the right to write. */
  | { readonly kind: 'abandon' };

/** What a consumer needs. */
export interface ConsumerParams {
  readonly engine: Engine;
  readonly queue: string;
  readonly slots: Slots;
  /** The queue's claim on them. */
  readonly share: Share;
  /** Stands before the queue when it is a lane. */
  readonly gate?: Gate | undefined;
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
  readonly #pulse = new Pulse();
  readonly #worker: QueueWorker;
  /** Jobs whose end nobody may wait for: no notice is sent. */
  readonly #quiet = new Set<string>();
  /** What is to be done once a job's fate is written; few tasks have any of it. */
  readonly #afterwards = new Map<string, (() => Promise<void>)[]>();
  readonly #finishing = new Set<Promise<void>>();
  #abandoned = false;
  /** What deliveries ask of it. */
  readonly #host: DeliveryHost;

  constructor(private readonly params: ConsumerParams) {
    const { engine, queue, node, lockDurationMs } = params;
    this.queue = queue;
    this.#ledger = new SlotLedger(params.slots, params.share);
    this.#host = {
      signals: () => engine.signals,
      turnOf: (jobId) => params.gate?.turnOf(jobId),
      onProgress: (delivery, progress) => params.onProgress(delivery, progress),
      afterwards: (jobId, body) => this.#later(jobId, body),
    };
    const parts = engine.bullmq();
    const factory = budgeted(parts.factory, {
      ledger: this.#ledger,
      gate: params.gate,
      moved: (jobId, completed) => this.#notify(jobId, completed),
      left: (jobId, written) => this.#left(jobId, written),
      noticeFirst: engine.signals.ordered,
      leavesMarker: engine.kind !== 'postgres' && engine.kind !== 'embedded',
      pulse: this.#pulse,
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
        sever: parts.sever,
        settings: {
          backoffStrategy: (_attempts, _type, error) => (error instanceof RetryLater ? error.delayMs : -1),
        },
        runRetryDelay: WRITE_AGAIN_MS,
      },
      factory as never,
    );
    this.#worker.on('error', (error) => params.onError(error));
    this.#worker.on('lockRenewalFailed', (jobIds) => params.onLocksLost(jobIds));
  }

  get slots(): Slots {
    return this.#ledger.slots;
  }

  /** How long it has been deaf, ms: connected perhaps, but no longer taking tasks. */
  get deafMs(): number {
    return this.#pulse.lateMs;
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
    this.#pulse.stop();
    const closed = this.#worker.close();
    this.params.gate?.close();
    this.#ledger.close();
    await closed;
    await Promise.all(this.#finishing);
  }

  /** Lets go at once of a broker that cannot be told: nothing of this consumer keeps the process alive. */
  abandon(): void {
    this.#abandoned = true;
    this.#worker.abandon();
  }

  #process(job: Job, token: string): Promise<unknown> {
    const delivery = new JobDelivery(job, this.queue, this.#host);
    return this.params.run(delivery).then((settlement) => this.#apply(job, token, settlement));
  }

  #later(jobId: string, body: () => Promise<void>): void {
    this.#afterwards.set(jobId, [...(this.#afterwards.get(jobId) ?? []), body]);
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
        return this.#moved(
          () => job.moveToDelayed(Date.now() + settlement.delayMs, token),
          new DelayedError(),
        );
      case 'release':
        return this.#moved(() => job.moveToWait(token), new WaitingError());
      case 'move':
        return this.#move(job, token, settlement.lane);
      case 'abandon':
        this.#afterwards.delete(job.id ?? '');
        this.#ledger.leave(token);
        // BullMQ takes this for "already moved elsewhere" and writes nothing.
        throw new WaitingError();
    }
  }

  /** Step 3 of a move is the job's completion; a broker out of reach must not fail a task that never ran. */
  async #move(job: Job, token: string, lane: string): Promise<null> {
    try {
      await this.#copyTo(job, lane);
    } catch (error) {
      // Nested deeper than anything writes: it can be moved no better later.
      if (error instanceof RangeError)
        throw new UnrecoverableError(`the job cannot be moved: ${error.message}`);
      this.params.onError(error instanceof Error ? error : new Error(String(error)));
      return this.#moved(() => job.moveToDelayed(Date.now() + MOVE_AGAIN_MS, token), new DelayedError());
    }
    job.opts.removeOnComplete = true;
    return null;
  }

  /** Steps 1 and 2 of a move: see `moves`. */
  async #copyTo(job: Job, lane: string): Promise<void> {
    const { engine } = this.params;
    const from: JobRef = { queue: this.queue, id: job.id ?? '' };
    await enterMove(engine, from, lane);
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

  /**
   * Moves a job by hand, of which BullMQ wants to hear by an error; any other error fails the job, if it is still ours. So a
   * move that did not get through, of a task that never ran, is made again. Refused then, it was made the first time.
   */
  async #moved(move: () => Promise<unknown>, sign: Error): Promise<never> {
    for (let tries = 1; ; tries++) {
      try {
        await move();
        break;
      } catch (error) {
        const away = this.params.engine.isUnavailable(error);
        if (!away && tries === 1) throw error;
        if (!away || this.#abandoned) break;
        await sleep(MOVED_AGAIN_MS, undefined, { ref: false });
      }
    }
    throw sign;
  }

  #left(jobId: string, written: boolean): void {
    const bodies = this.#afterwards.get(jobId);
    if (bodies === undefined) return;
    this.#afterwards.delete(jobId);
    if (!written) return;
    const finishing = Promise.all(bodies.map((body) => body())).then(
      () => undefined,
      (error: unknown) => this.params.onError(error instanceof Error ? error : new Error(String(error))),
    );
    this.#finishing.add(finishing);
    void finishing.then(() => this.#finishing.delete(finishing));
  }

  #notify(jobId: string, completed: CompletedJob | undefined): void {
    if (this.#quiet.delete(jobId)) return;
    // A part of a workflow is read together with the workflow.
    const alone =
      completed?.parent === undefined && (completed?.data as Partial<Message>)?.flow === undefined;
    const ended = completed !== undefined && alone ? { queue: this.queue, id: jobId } : undefined;
    this.params.engine.signals.notify(jobId, ended);
  }
}

const MOVE_AGAIN_MS = 1000;
const WRITE_AGAIN_MS = 1000;
/** Sooner than what was moved can be due: it must not run here again when the answer alone was lost. */
const MOVED_AGAIN_MS = 100;

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
