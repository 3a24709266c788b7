/**
 * BullMQ's Worker with a main loop of our own. What stays BullMQ's: its connections, the check for stalled jobs, its
 * events, its closing, and its place in dashboards. What is taken from the queue, and what becomes of it, is `worker-loop`.
 */

import { type Job, type JobJson, Worker, type WorkerOptions } from 'bullmq';
import type { BullmqParts } from '../broker/broker.js';
import { UNREADABLE_DATA } from '../protocol/message.js';
import type { LockKeeper } from './locks/lock-keeper.js';
import { type RunLock, RunLocks } from './locks/run-locks.js';
import type { Fetched } from './outcome-writer.js';
import type { QueueEnd } from './worker-loop.js';

export type QueueWorkerOptions = WorkerOptions & {
  readonly keeper: LockKeeper;
  readonly sever: BullmqParts['sever'];
  readonly salvage: BullmqParts['salvage'];
  /** Told of a lock that could not be renewed: somebody else may run the job by now. */
  readonly onLockLost: (jobId: string, token: string) => void;
};

/** A job whose schedule cannot be gone on with is found stalled so often before it fails. */
const MOST_REPEATS = 2;

interface RepeatableOptions {
  readonly repeat?: unknown;
}

export class QueueWorker extends Worker implements QueueEnd {
  declare readonly opts: QueueWorkerOptions;
  /** Set by BullMQ's constructor, through `createLockManager`. */
  declare private locks: RunLocks;

  constructor(
    name: string,
    opts: QueueWorkerOptions,
    factory: never,
    private readonly loop: { run(end: QueueEnd): Promise<void> },
  ) {
    // BullMQ wants a processor to know that it is to process; the loop calls none.
    super(name, () => Promise.resolve(), { ...opts, autorun: false }, factory);
  }

  /** Takes jobs until it is closed. */
  override async run(): Promise<void> {
    if (this.running) throw new Error('Worker is already running.');
    this.running = true;
    try {
      if (this.ending) return;
      await this.startStalledCheckTimer();
      this.lockManager.start();
      this.mainLoopRunning = this.loop.run(this);
      await this.mainLoopRunning;
    } finally {
      this.running = false;
    }
  }

  get ending(): boolean {
    return this.closing !== undefined || this.paused;
  }

  /** How long to wait for a marker, seconds; 0 or less when the moment has come. */
  waitSeconds(until: number): number {
    return this.getBlockTimeout(until);
  }

  hold(jobId: string, token: string, since: number): RunLock {
    return this.locks.hold(jobId, token, since);
  }

  /** Half of a lock: the other half is for what renews it from then on. */
  get sureMs(): number {
    return (this.opts.lockDuration ?? 0) / 2;
  }

  async renew(jobId: string, token: string): Promise<boolean> {
    return (await this.backend.extendLock(jobId, token, this.opts.lockDuration ?? 0)) === 1;
  }

  /** A fetched job. One that BullMQ's scheduler made first makes the one after it. */
  receive(data: JobJson, jobId: string, token: string): Job | Promise<Job | undefined> {
    // BullMQ counts them up in scripts that break in the middle when they are no numbers.
    if (Number.isNaN(data.attemptsMade) || Number.isNaN(data.stalledCounter))
      return this.#mended(jobId).then((mended) => mended && this.#plain(mended, jobId, token));
    if (data.repeatJobKey) return this.#repeated(data, jobId, token);
    return this.#plain(data, jobId, token);
  }

  /**
   * What was fetched with `token`, though BullMQ could not read it: made readable, and bound to fail.
   * @param error what the fetch failed with
   * @param except another job of the same token
   */
  async salvage(error: unknown, token: string, except?: string): Promise<Fetched | undefined> {
    if (!isReadingError(error)) return undefined;
    try {
      const id = await this.opts.salvage?.find(this.name, token, except);
      const data = id === undefined ? undefined : await this.#mended(id);
      return id === undefined ? undefined : [data, id];
    } catch {
      return undefined; // the broker did not answer: it is found stalled, and salvaged then
    }
  }

  #plain(data: JobJson, jobId: string, token: string): Job {
    const job = this.createJob(data, jobId);
    job.token = token;
    return job;
  }

  async #repeated(data: JobJson, jobId: string, token: string): Promise<Job | undefined> {
    const repeat: unknown = (data.opts as RepeatableOptions | undefined)?.repeat;
    if (typeof repeat === 'object' && repeat !== null) {
      const job = await this.nextJobFromJobData(data, jobId, token);
      // BullMQ logs why there is no next one, and leaves this one for the next look for stalled jobs.
      if (job !== undefined || (data.stalledCounter ?? 0) < MOST_REPEATS) return job;
    }
    return this.#plain({ ...data, deferredFailure: this.#logBroken(jobId, ['rjk']) }, jobId, token);
  }

  async #mended(jobId: string): Promise<JobJson | undefined> {
    const fields = await this.opts.salvage?.mend(this.name, jobId);
    if (fields === undefined) return undefined;
    const data = await this.backend.getJobData(jobId);
    return data && { ...data, deferredFailure: this.#logBroken(jobId, fields) };
  }

  /** Logs what a job fails with, and gives it. */
  #logBroken(jobId: string, fields: readonly string[]): string {
    const what = fields.length === 0 ? 'what BullMQ keeps with it' : `its ${fields.join(', ')}`;
    const why = `Another program wrote this job, and ${what} cannot be read; it was not run.`;
    this.emit('error', new Error(`queue "${this.name}", job ${jobId}: ${why}`));
    return why;
  }

  /** `close()` gives up locks and connection last, after goodbyes that a dead broker never answers. */
  abandon(): void {
    void this.lockManager.close();
    this.opts.sever?.(this.backend);
  }

  /** A job whose data is no JSON, which only another program writes, fails like any other; here it would end the worker. */
  protected override createJob(data: JobJson, jobId: string): Job {
    try {
      return super.createJob(data, jobId);
    } catch {
      return super.createJob({ ...data, data: UNREADABLE_DATA }, jobId);
    }
  }

  // Called by Worker's constructor, so everything it needs has to be in the options by then.
  protected override createLockManager(): void {
    const { keeper, lockRenewTime = 0, lockDuration = 0, name, onLockLost } = this.opts;
    const opts = {
      lockRenewTime,
      lockDuration,
      workerId: this.id,
      ...(name !== undefined && { workerName: name }),
    };
    this.locks = new RunLocks(this as never, opts, keeper, this.name, onLockLost);
    this.lockManager = this.locks;
  }
}

/** What BullMQ rejects with when it has a job's fields and cannot read them, or when its script cannot count one up. */
function isReadingError(error: unknown): boolean {
  if (error instanceof SyntaxError || error instanceof TypeError) return true;
  return error instanceof Error && /hash value is not an integer/.test(error.message);
}
