/**
 * The threads of one worker: started when a task needs one, reused, replaced when they die or reach a limit, ended
 * after being idle for long. Every running task holds a slot, so at most as many threads as slots run tasks.
 */
import { AppClosedError } from '../../errors.js';
import { after, type Cancel } from '../../timers.js';
import type { Seat, Share, Together } from '../batches/seat.js';
import type { Outcome } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';
import { Thread, type ThreadEnd, type ThreadParams } from './thread.js';

export interface ThreadPoolParams extends Omit<ThreadParams, 'stopping'> {
  /** Tasks after which a thread is replaced (Celery: `worker_max_tasks_per_child`). */
  readonly maxTasks: number | undefined;
  /** How long a thread may be idle before it is ended, ms. */
  readonly idleMs: number;
}

interface QueuedRun {
  wanted(): boolean;
  resolve(thread: Thread): void;
  reject(error: unknown): void;
}

export class ThreadPool {
  readonly #params: ThreadPoolParams;
  readonly #stopping = new Int32Array(new SharedArrayBuffer(4));
  /** All live threads, and those being ended. */
  readonly #threads = new Set<Thread>();
  /** Idle threads, the last used last. */
  #idle: { readonly thread: Thread; readonly stay: Cancel }[] = [];
  /** Calls waiting for a thread, first come first served. */
  #waiting: QueuedRun[] = [];
  /** The thread each call ran in: hooks run there to find the state that the task left. */
  readonly #ranBy = new WeakMap<RunningCall, Thread>();
  #hooksOfBatches: Promise<void> = Promise.resolve();
  /** Number of threads still loading. */
  #loading = 0;
  #closed = false;

  constructor(params: ThreadPoolParams) {
    this.#params = params;
    params.engine.signals.onGap(() => {
      for (const thread of this.#threads) thread.gap();
    });
  }

  /** Threads alive now. */
  get size(): number {
    return this.#threads.size;
  }

  /** Starts one thread, so that a module that does not load fails now. */
  async verify(): Promise<void> {
    this.#giveBack(await this.#take());
  }

  /**
   * Runs a call in a thread. A call ended from outside (time limit, revoke, lost lock, shutdown) takes its thread
   * with it, and gets its outcome only when that thread is gone: it must not run on beside its successor.
   */
  async run(call: RunningCall): Promise<Outcome> {
    if (call.seat !== undefined) return this.#runSeated(call, call.seat);
    let busy: Thread | undefined;
    const body = async (): Promise<Outcome> => {
      const thread = await this.#take(() => !call.closed);
      if (call.closed) {
        this.#giveBack(thread);
        return { kind: 'lost' }; // ignored: the call has its outcome already
      }
      busy = thread;
      this.#ranBy.set(call, thread);
      call.startLimits();
      const end = await thread.run(call, this.#params.node());
      if (!call.closed) {
        busy = undefined;
        this.#afterTask(thread, end);
      }
      return end.outcome;
    };
    const outcome = await call.run(body, false, (ended) => ended);
    if (busy !== undefined) await busy.kill();
    return outcome;
  }

  /** Runs a call of a batch. The last one that is ended from outside takes the thread with it. */
  async #runSeated(call: RunningCall, seat: Seat<RunningCall>): Promise<Outcome> {
    const body = () => seat.take(call, []) as Promise<Outcome>;
    const outcome = await call.run(body, false, (ended) => ended);
    await seat.leave();
    return outcome;
  }

  /** Runs the calls of a batch in one thread, once they have taken their seats. */
  together(calls: readonly RunningCall[]): Together {
    let busy: Thread | undefined;
    const wanted = () => calls.some((call) => !call.closed);
    const body = async (): Promise<readonly Share[]> => {
      const thread = await this.#take(wanted);
      const going = calls.filter((call) => !call.closed);
      busy = thread;
      for (const call of going) {
        this.#ranBy.set(call, thread);
        call.startLimits();
      }
      const end = await thread.runBatch(going, this.#params.node());
      if (wanted()) {
        busy = undefined;
        this.#afterTask(thread, end);
      }
      // Those that were closed have their outcome already.
      return calls.map((call) => ({ value: end.outcomes[going.indexOf(call)] ?? { kind: 'lost' } }));
    };
    return {
      shares: body().catch((error: unknown) => calls.map(() => ({ error }))),
      abandon: async () => busy?.kill(),
    };
  }

  /**
   * Runs the hooks of a call whose outcome is written: in the thread that ran it, if free, else in another. Hooks
   * occupy a thread but no slot: meanwhile there may be more threads than slots.
   */
  runHooks(call: RunningCall, outcome: Outcome): Promise<void> {
    if (call.seat === undefined) return this.#runHooks(call, outcome);
    // Those of a whole batch come together, and would each take a thread.
    const told = this.#hooksOfBatches.then(() => this.#runHooks(call, outcome));
    this.#hooksOfBatches = told.catch(() => undefined); // the caller gets the error
    return told;
  }

  async #runHooks(call: RunningCall, outcome: Outcome): Promise<void> {
    const thread = this.#takeIdle(this.#ranBy.get(call)) ?? (await this.#take());
    await thread.runHooks(call, outcome, this.#params.node());
    this.#giveBack(thread);
  }

  /** Notifies running tasks that the worker stops (`this.request.shuttingDown`). */
  announceStop(): void {
    Atomics.store(this.#stopping, 0, 1);
  }

  /** Ends all threads, at once those with tasks. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { stay } of this.#idle) stay();
    this.#idle = [];
    for (const { reject } of this.#waiting.splice(0)) reject(closedError());
    await Promise.all([...this.#threads].map((thread) => (thread.busy ? thread.kill() : thread.retire())));
  }

  /** An idle thread, or the next to become idle; starts one more if too few are loading. */
  #take(wanted = () => true): Promise<Thread> {
    if (this.#closed) return Promise.reject(closedError());
    const idle = this.#takeIdle(this.#idle.at(-1)?.thread);
    if (idle !== undefined) return Promise.resolve(idle);
    return new Promise((resolve, reject) => {
      // Calls ended meanwhile leave their thread to others.
      this.#waiting = this.#waiting.filter((waiter) => waiter.wanted());
      this.#waiting.push({ wanted, resolve, reject });
      if (this.#loading < this.#waiting.length) void this.#load();
    });
  }

  /** Takes this thread, if it is idle. */
  #takeIdle(wanted: Thread | undefined): Thread | undefined {
    const idle = this.#idle.find(({ thread }) => thread === wanted);
    if (idle === undefined) return undefined;
    idle.stay();
    this.#idle = this.#idle.filter((other) => other !== idle);
    return idle.thread;
  }

  async #load(): Promise<void> {
    const thread = new Thread({ ...this.#params, stopping: this.#stopping }, (gone) => this.#forget(gone));
    this.#threads.add(thread);
    this.#loading++;
    try {
      await thread.ready;
      this.#loading--;
      this.#giveBack(thread);
    } catch (error) {
      this.#loading--;
      await thread.kill();
      this.#nextWaiting()?.reject(error);
    }
  }

  #nextWaiting(): QueuedRun | undefined {
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined || next.wanted()) return next;
    }
  }

  #afterTask(thread: Thread, { heldBytes }: Pick<ThreadEnd, 'heldBytes'>): void {
    const { maxTasks, maxMemoryBytes } = this.#params;
    const done = maxTasks !== undefined && thread.runs >= maxTasks;
    const fat = maxMemoryBytes !== undefined && heldBytes > maxMemoryBytes;
    if (done || fat)
      void thread.retire(); // cannot fail; a worker that stops waits for it
    else this.#giveBack(thread);
  }

  #giveBack(thread: Thread): void {
    if (this.#closed || !this.#threads.has(thread)) return;
    const next = this.#nextWaiting();
    if (next !== undefined) {
      next.resolve(thread);
      return;
    }
    const retire = () => {
      this.#idle = this.#idle.filter((idle) => idle.thread !== thread);
      void thread.retire();
    };
    this.#idle.push({ thread, stay: after(this.#params.idleMs, retire, { ref: false }) });
  }

  /** Removes a thread that is gone, killed or by itself. */
  #forget(thread: Thread): void {
    this.#threads.delete(thread);
    this.#takeIdle(thread);
  }
}

function closedError(): AppClosedError {
  return new AppClosedError('The worker has stopped, and its threads with it.');
}
