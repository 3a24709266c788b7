/**
 * BullMQ's Worker with two things of our own: locks are renewed by our keeper, and a job that ends well goes from its
 * run to the next one by the shortest way. Whatever is not plain (spans, failures, schedules, a broker that is away)
 * takes BullMQ's own way, so that its rules are written down once.
 */
import { type Job, type JobJson, LockManager, Worker, type WorkerOptions } from 'bullmq';
import type { BullmqParts } from './engine.js';
import { KeptLocks, type LockKeeper } from './lock-keeper.js';
import { UNREADABLE_DATA } from './message.js';

export type QueueWorkerOptions = WorkerOptions & {
  readonly keeper: LockKeeper;
  readonly sever: BullmqParts['sever'];
};

/** What a backend answers to a fetch: job, id, and until when there is nothing more to fetch. */
type Fetched = [data: JobJson | undefined, id: string, limitDelay: number, delayUntil: number];

/** Parts of BullMQ 6.7's Worker that are its own affair; the pinned version keeps them as they are. */
interface Inside {
  drained: boolean;
  closing: Promise<void> | undefined;
  updateDelays(limitDelay: number, delayUntil: number): void;
  retryIfFailed<R>(
    body: () => Promise<R>,
    options: { delayInMs: number | undefined; onlyEmitError?: boolean },
  ): Promise<R | undefined>;
}

export class QueueWorker extends Worker {
  declare readonly opts: QueueWorkerOptions;

  constructor(
    name: string,
    run: (job: Job, token?: string) => Promise<unknown>,
    opts: QueueWorkerOptions,
    factory: never,
  ) {
    super(name, run, opts, factory);
  }

  /** A job whose data is no JSON, which only another program writes, fails like any other; here it would end the worker. */
  protected override createJob(data: JobJson, jobId: string): Job {
    try {
      return super.createJob(data, jobId);
    } catch {
      return super.createJob({ ...data, data: UNREADABLE_DATA }, jobId);
    }
  }

  /** `close()` lets go of locks and connection last, after goodbyes that a dead broker never answers. */
  abandon(): void {
    void this.lockManager.close();
    this.opts.sever?.(this.backend);
  }

  override processJob(job: Job, token: string, mayFetch: () => boolean = always): Promise<Job | undefined> {
    return this.#isPlain(job)
      ? this.#processPlain(job, token, mayFetch)
      : (super.processJob(job, token, mayFetch) as Promise<Job | undefined>);
  }

  /** Spans, and failures decided by a parent or child, are BullMQ's business. */
  #isPlain(job: Job): boolean {
    return this.opts.telemetry === undefined && job.deferredFailure === undefined;
  }

  /**
   * One job after the other for as long as each end brings the next. BullMQ makes about thirty promises a job, and
   * passes each next one through a queue of its own; here it is a handful, which counts where the context of tasks makes
   * every promise dear (Node 20). Nobody listens to BullMQ's `active` and `completed`, so they are not told.
   * @returns a job that is not plain, or nothing
   */
  async #processPlain(first: Job, token: string, mayFetch: () => boolean): Promise<Job | undefined> {
    for (let job: Job | undefined = first; job !== undefined; ) {
      if (!this.#isPlain(job)) return job;
      this.lockManager.trackJob(job.id ?? '', token, job.processedOn ?? 0, false);
      let value: unknown;
      try {
        value = await this.processFn(job, token);
      } catch (error) {
        return this.#fail(job, token, error, mayFetch);
      }
      this.lockManager.untrackJob(job.id ?? '');
      if (this.backend.closing) return undefined;
      let fetched: unknown;
      try {
        const goOn = mayFetch() && !(this.#inside.closing || this.paused);
        const keep = job.opts.removeOnComplete as boolean;
        fetched = (await this.backend.moveToCompleted(job, value, keep, token, goOn)).result;
      } catch (error) {
        return this.#completeLater(job, token, { value, error }, mayFetch);
      }
      const next = this.#next(fetched, token);
      // Awaiting what is there already would make two promises of it.
      job = next instanceof Promise ? await next : next;
    }
    return undefined;
  }

  /** The job that came with the end of another. */
  #next(fetched: unknown, token: string): Job | undefined | Promise<Job | undefined> {
    if (!Array.isArray(fetched)) return undefined;
    const [data, id, limitDelay, delayUntil] = fetched as Fetched;
    this.#inside.updateDelays(limitDelay, delayUntil);
    // A schedule's job first makes the one after it.
    if (!data || data.repeatJobKey) return this.nextJobFromJobData(data, id, token);
    this.#inside.drained = false;
    const job = this.createJob(data, id);
    job.token = token;
    return job;
  }

  /** What BullMQ does about a completion that did not get through: again, once the broker is back. */
  async #completeLater(
    job: Job,
    token: string,
    { value, error }: { readonly value: unknown; readonly error: unknown },
    mayFetch: () => boolean,
  ): Promise<Job | undefined> {
    let attempts = 0;
    const complete = async () => {
      if (attempts++ === 0) throw error;
      return this.handleCompleted(value, job, token, mayFetch);
    };
    try {
      return await this.#inside.retryIfFailed(complete, { delayInMs: this.opts.runRetryDelay });
    } catch (refused) {
      return this.#fail(job, token, refused, mayFetch);
    }
  }

  #fail(job: Job, token: string, error: unknown, mayFetch: () => boolean): Promise<Job | undefined> {
    const fail = () => {
      this.lockManager.untrackJob(job.id ?? '');
      return this.handleFailed(error as Error, job, token, mayFetch);
    };
    return this.#inside.retryIfFailed(fail, { delayInMs: this.opts.runRetryDelay, onlyEmitError: true });
  }

  get #inside(): Inside {
    return this as unknown as Inside;
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

const always = () => true;
