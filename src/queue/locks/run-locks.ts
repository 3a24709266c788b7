/**
 * The locks of what one consumer runs. The worker's {@link LockKeeper} renews them with its thread; what its table cannot
 * hold, and everything while that thread is not at work, is renewed on BullMQ's own timer.
 */
import { LockManager } from 'bullmq';
import type { LockKeeper } from './lock-keeper.js';

/** The lock of one run, while it is renewed. */
export interface RunLock {
  /** It is renewed no more. Idempotent. */
  release(): void;
}

type Context = ConstructorParameters<typeof LockManager>[0];

/** What BullMQ's timer says of each lock that is gone, beside the event. */
const NOT_RENEWED = /^could not renew lock for job /;

/** Held for a while: to be renewed by the timer's next turn. */
const LONG_AGO = 1;

export class RunLocks extends LockManager {
  readonly #held: HeldRunLock[] = [];
  readonly #unlisten: () => void;
  readonly #unwatch: () => void;

  /** @param onLost notified of each lock that could not be renewed: somebody else may run the job by now */
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

  /** The timer runs only where it is needed. */
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

  /** The thread has begun to renew, and the timer need not any more, or it has ended. */
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

  /** BullMQ's timer knows one run of a job at a time, the latest: an earlier one leaves it alone. */
  #untime({ jobId, token }: HeldRunLock): void {
    if (this.trackedJobs.size > 0 && this.trackedJobs.get(jobId)?.token === token) this.untrackJob(jobId);
  }
}

class HeldRunLock implements RunLock {
  /** Where it stands in its owner's list. */
  place = -1;
  #released = false;

  constructor(
    readonly jobId: string,
    readonly token: string,
    /** Its entry in the keeper's table; undefined where that is full. */
    readonly entry: number | undefined,
    private readonly owner: RunLocks,
  ) {}

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.owner.release(this);
  }
}

/** BullMQ's timer names jobs whose lock is lost; what is needed is the run. */
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
      // A lock may go while it is renewed, because its job ended: who still runs is notified below, and that is logged.
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
