/**
 * BullMQ's Worker with a main loop of our own. What stays BullMQ's: its connections, the check for stalled jobs, its
 * events, its closing, and its place in dashboards. What is taken from the queue, and what becomes of it, is `worker-loop`.
 */
import { type Job, type JobJson, Worker, type WorkerOptions } from 'bullmq';
import type { BullmqParts } from './engine.js';
import type { LockKeeper } from './lock-keeper.js';
import { UNREADABLE_DATA } from './message.js';
import { type RunLock, RunLocks } from './run-locks.js';
import type { QueueEnd } from './worker-loop.js';

export type QueueWorkerOptions = WorkerOptions & {
  readonly keeper: LockKeeper;
  readonly sever: BullmqParts['sever'];
  /** Told of a lock that could not be renewed: somebody else may run the job by now. */
  readonly onLockLost: (jobId: string, token: string) => void;
};

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
    if (data.repeatJobKey) return this.nextJobFromJobData(data, jobId, token);
    const job = this.createJob(data, jobId);
    job.token = token;
    return job;
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
