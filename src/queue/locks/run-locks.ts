/**
 * The locks of one consumer's runs. The lock thread of the worker's {@link LockKeeper} renews them. BullMQ's own timer
 * renews locks that the keeper's table cannot hold, and all locks while the thread is not at work.
 */
import { LockManager } from 'bullmq';
import type { LockKeeper } from './lock-keeper.js';

/** The lock of one run. */
export interface RunLock {
  /** Stops renewing the lock. Idempotent. */
  release(): void;
}

type Context = ConstructorParameters<typeof LockManager>[0];

/** The error that BullMQ's timer emits for each lost lock, beside the event. */
const NOT_RENEWED = /^could not renew lock for job /;

/** A start moment long ago, so that the timer renews the lock at its next turn. */
const LONG_AGO = 1;

/** Holds the locks of one consumer's runs, as BullMQ's lock manager. */
export class RunLocks extends LockManager {
  readonly #held: HeldRunLock[] = [];
  readonly #unlisten: () => void;
  readonly #unwatch: () => void;

  /** @param onLost called for each lock that could not be renewed: another worker may run the job by now */
  constructor(
    worker: Context,
    opts: ConstructorParameters<typeof LockManager>[1],
    private readonly keeper: LockKeeper,
    private readonly queue: string,
    onLost: (jobId: string, token: string) => void,
  ) {
    super(
      namingRuns(worker, (jobId) => this.trackedJobs.get(jobId)?.token, onLost),
      opts,
    );
    this.#unlisten = keeper.listen(queue, onLost);
    this.#unwatch = keeper.watch(() => this.#shift());
  }

  /** Does nothing: the timer starts only when a lock needs it. */
  override start(): void {}

  /** Renews a lock until it is released. */
  hold(jobId: string, token: string, since: number): RunLock {
    const entry = this.keeper.add({ queue: this.queue, jobId, token });
    const lock = new HeldRunLock(jobId, token, entry, this);
    lock.place = this.#held.push(lock) - 1;
    if (entry === undefined || !this.keeper.atWork) this.#time(lock, since);
    return lock;
  }

  /** Called by a lock, once. */
  release(lock: HeldRunLock): void {
    const last = this.#held.pop();
    if (last !== undefined && last !== lock) {
      this.#held[lock.place] = last;
      last.place = lock.place;
    }
    if (lock.entry !== undefined) this.keeper.remove(lock.entry);
    this.#untime(lock);
  }

  override getActiveJobCount(): number {
    return this.#held.length;
  }

  override async close(): Promise<void> {
    this.#unlisten();
    this.#unwatch();
    await super.close();
  }

  /** Moves the locks from the timer to the thread when the thread starts to renew, and back when it has ended. */
  #shift(): void {
    for (const lock of this.#held) {
      if (lock.entry === undefined) continue;
      if (this.keeper.atWork) this.#untime(lock);
      else this.#time(lock, LONG_AGO);
    }
  }

  #time({ jobId, token }: HeldRunLock, since: number): void {
    if (!this.isRunning()) super.start();
    this.trackJob(jobId, token, since);
  }

  /** BullMQ's timer tracks only the latest run of a job, so the end of an earlier run must not stop it. */
  #untime({ jobId, token }: HeldRunLock): void {
    if (this.trackedJobs.size > 0 && this.trackedJobs.get(jobId)?.token === token) this.untrackJob(jobId);
  }
}

class HeldRunLock implements RunLock {
  /** Its index in its owner's list. */
  place = -1;
  #released = false;

  constructor(
    readonly jobId: string,
    readonly token: string,
    /** Its entry in the keeper's table; `undefined` if the table could not hold it. */
    readonly entry: number | undefined,
    private readonly owner: RunLocks,
  ) {}

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.owner.release(this);
  }
}

/** Adapts BullMQ's timer: it reports lost locks by job id, and the worker needs the token of the run. */
function namingRuns(
  worker: Context,
  tokenOf: (jobId: string) => string | undefined,
  onLost: (jobId: string, token: string) => void,
): Context {
  return {
    name: worker.name,
    trace: (...args) => worker.trace(...args),
    extendJobLocks: (...args) => worker.extendJobLocks(...args),
    emit: (event, ...args) => {
      // A lock may vanish during its renewal because its job ended; runs that are still active are reported below.
      if (event === 'error' && NOT_RENEWED.test(String((args[0] as Error | undefined)?.message))) return true;
      if (event !== 'lockRenewalFailed') return worker.emit(event, ...args);
      for (const jobId of args[0] as string[]) {
        const token = tokenOf(jobId);
        if (token !== undefined) onLost(jobId, token);
      }
      return true;
    },
  };
}
