/**
 * BullMQ's Worker with a main loop of our own. BullMQ still provides its connections, the check for stalled jobs, its
 * events, its closing, and its listing in dashboards. `worker-loop` decides what is fetched and writes the outcomes.
 */

import { type Job, type JobJson, Worker, type WorkerOptions } from 'bullmq';
import type { BullmqParts } from '../broker/broker.js';
import { UNREADABLE_DATA } from '../protocol/message.js';
import type { LockKeeper } from './locks/lock-keeper.js';
import { type RunLock, RunLocks } from './locks/run-locks.js';
import type { Fetched } from './outcome-writer.js';
import type { Settlement } from './settlement.js';
import type { QueueEnd } from './worker-loop.js';

export type QueueWorkerOptions = WorkerOptions & {
  readonly keeper: LockKeeper;
  readonly sever: BullmqParts['sever'];
  readonly salvage: BullmqParts['salvage'];
  /** Called when a lock could not be renewed: another worker may run the job by now. */
  readonly onLockLost: (jobId: string, token: string) => void;
};

/** How often a job whose BullMQ schedule cannot continue is found stalled before it fails. */
const MOST_REPEATS = 2;

interface RepeatableOptions {
  readonly repeat?: unknown;
}

/** The BullMQ Worker of a consumer. */
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
    // BullMQ needs a processor to act as a processing Worker; the loop never calls it.
    super(name, () => Promise.resolve(), { ...opts, autorun: false }, factory);
  }

  /** Runs the loop until the Worker is closed. */
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

  /** How long to wait for a marker, seconds; 0 or less when a job is due. */
  waitSeconds(until: number): number {
    return this.getBlockTimeout(until);
  }

  hold(jobId: string, token: string, since: number): RunLock {
    return this.locks.hold(jobId, token, since);
  }

  /** Half of a lock's duration, ms: the other half is left for the first renewal. */
  get sureMs(): number {
    return (this.opts.lockDuration ?? 0) / 2;
  }

  async renew(jobId: string, token: string): Promise<boolean> {
    return (await this.backend.extendLock(jobId, token, this.opts.lockDuration ?? 0)) === 1;
  }

  /** Turns fetched data into a job. For a job of a BullMQ scheduler, adds the scheduler's next job first. */
  receive(data: JobJson, jobId: string, token: string): Job | Promise<Job | undefined> {
    // BullMQ's scripts increment these counters, and would fail half-way if they are not numbers.
    if (Number.isNaN(data.attemptsMade) || Number.isNaN(data.stalledCounter))
      return this.#mended(jobId).then((mended) => mended && this.#plain(mended, jobId, token));
    if (data.repeatJobKey) return this.#repeated(data, jobId, token);
    return this.#plain(data, jobId, token);
  }

  /**
   * Finds the job that was fetched with `token` and that BullMQ could not read, and repairs it. The job will fail.
   * @param error the error of the fetch
   * @param except another job that holds the same token
   */
  async salvage(error: unknown, token: string, except?: string): Promise<Fetched | undefined> {
    if (!isReadingError(error)) return undefined;
    try {
      const id = await this.opts.salvage?.find(this.name, token, except);
      const data = id === undefined ? undefined : await this.#mended(id);
      return id === undefined ? undefined : [data, id];
    } catch {
      return undefined; // the broker did not answer: the job will be found stalled, and repaired then
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
      // BullMQ logs why there is no next job, and leaves this one for the next check for stalled jobs.
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

  /** Reports why a job fails. @returns that message */
  #logBroken(jobId: string, fields: readonly string[]): string {
    const what = fields.length === 0 ? 'what BullMQ keeps with it' : `its ${fields.join(', ')}`;
    const why = `Another program wrote this job, and ${what} cannot be read; it was not run.`;
    this.emit('error', new Error(`queue "${this.name}", job ${jobId}: ${why}`));
    return why;
  }

  /** Emits BullMQ's event of a job that begins, if anybody listens. */
  began(job: Job): void {
    if (this.listenerCount('active') > 0) this.emit('active', job, 'waiting');
  }

  /** Emits BullMQ's event of a job that has ended, if anybody listens. A retry is none, as a task's states go. */
  ended(job: Job, settlement: Settlement): void {
    if (settlement.kind === 'complete' && this.listenerCount('completed') > 0) {
      job.returnvalue = settlement.value;
      this.emit('completed', job, settlement.value, 'active');
    } else if (settlement.kind === 'fail' && this.listenerCount('failed') > 0) {
      job.failedReason = settlement.message;
      this.emit('failed', job, new Error(settlement.message), 'active');
    }
  }

  /** Drops locks and connection at once: `close()` does so last, after steps that a dead broker never answers. */
  abandon(): void {
    void this.lockManager.close();
    this.opts.sever?.(this.backend);
  }

  /** Makes a job. Data that is not JSON, from another program, must fail the job and not end the worker. */
  protected override createJob(data: JobJson, jobId: string): Job {
    try {
      return super.createJob(data, jobId);
    } catch {
      return super.createJob({ ...data, data: UNREADABLE_DATA }, jobId);
    }
  }

  // Called by Worker's constructor, so all it needs must be in the options by then.
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

/** Whether BullMQ failed to read a job's fields, or its script failed to increment one. */
function isReadingError(error: unknown): boolean {
  if (error instanceof SyntaxError || error instanceof TypeError) return true;
  return error instanceof Error && /hash value is not an integer/.test(error.message);
}
