/**
 * Decides which tasks of a worker run in threads, and routes them there. The pool is loaded for the first such task:
 * a worker without such tasks must not load it.
 */
import type { Resolved } from '../../options/option-table.js';
import type { POOL_OPTIONS } from '../../options/tables/worker.js';
import type { RegisteredTask, Registry } from '../../tasks/registry.js';
import type { Together } from '../batches/seat.js';
import type { Elsewhere } from '../run/executor-params.js';
import type { LateHooks, Outcome } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';
import { findAppModule, THREAD_FILE } from './app-module.js';
import type { ThreadPool, ThreadPoolParams } from './pool.js';

/** Options of `app.worker()` for threads. */
export interface PoolOptions {
  /** Where tasks without a `pool` of their own run. Default: `'async'`, in the worker's own thread. */
  pool?: 'async' | 'threads';
  /**
   * Path or file URL of the module that creates the app and registers its tasks; threads load it. Required as soon as
   * one task runs in threads.
   * @example app.worker({ module: import.meta.url })
   */
  module?: string;
  /** A thread is replaced after this many tasks (Celery: `worker_max_tasks_per_child`). Default: never. */
  maxTasksPerChild?: number;
  /**
   * A thread that holds more than this after a task is replaced (Celery: `worker_max_memory_per_child`): bytes, or
   * `'200mb'`. A thread whose heap grows to twice that during a task is stopped, and the task fails with
   * WorkerLostError. Default: never.
   */
  maxMemoryPerChild?: number | string;
}

/** {@link PoolOptions}, resolved. */
export type PoolSettings = Resolved<typeof POOL_OPTIONS>;

/** What the pool needs besides the options. */
export interface ThreadRouterParams
  extends Omit<ThreadPoolParams, 'file' | 'maxTasks' | 'maxMemoryBytes' | 'idleMs'> {
  readonly registry: Registry;
}

/** How long a thread may be idle, ms. */
const IDLE_MS = 60_000;

export class ThreadRouter implements Elsewhere {
  /** The worker's default. */
  readonly pool: 'async' | 'threads';
  readonly #params: ThreadRouterParams;
  readonly #module: string | undefined;
  readonly #maxTasks: number | undefined;
  readonly #maxMemoryBytes: number | undefined;
  #threads: Promise<ThreadPool> | undefined;

  constructor(settings: PoolSettings, params: ThreadRouterParams) {
    this.#params = params;
    this.pool = settings.pool;
    this.#module = settings.module;
    const { maxTasks, maxMemoryBytes } = childLimits(settings);
    this.#maxTasks = maxTasks;
    this.#maxMemoryBytes = maxMemoryBytes;
  }

  takes(task: RegisteredTask): boolean {
    return (task.run.pool ?? this.pool) === 'threads';
  }

  /**
   * Checks, before the worker connects, that there is a module if one is needed.
   * @throws {OptionError}
   */
  check(): void {
    const wanted = this.#wanted();
    if (wanted !== undefined) findAppModule(this.#module, wanted, THREAD_FILE);
    else if (this.#maxTasks !== undefined || this.#maxMemoryBytes !== undefined)
      this.#params.logger.warn(
        {},
        'maxTasksPerChild and maxMemoryPerChild replace threads and processes, and this worker has neither: ' +
          "without pool 'threads' or processes they do nothing",
      );
  }

  /** Before the worker takes tasks: starts one thread, if any will be needed, to see that the module loads. */
  async prepare(): Promise<void> {
    if (this.#wanted() === undefined) return;
    const release = this.#params.engine.hold();
    try {
      await (await this.#started()).verify();
    } finally {
      release();
    }
  }

  async run(call: RunningCall): Promise<Outcome> {
    return (await this.#started()).run(call);
  }

  together(calls: readonly RunningCall[]): Together {
    const begun = this.#started().then((threads) => threads.together(calls));
    return {
      shares: begun.then(
        ({ shares }) => shares,
        (error: unknown) => calls.map(() => ({ error })),
      ),
      abandon: async () => (await begun.catch(() => undefined))?.abandon(), // it never ran
    };
  }

  hooksOf(call: RunningCall): LateHooks {
    return {
      run: async (outcome) => {
        try {
          await (await this.#started()).runHooks(call, outcome);
        } catch (error) {
          call.log.error({ error }, `the hooks of ${call.delivery.name} were not told to their end`);
        }
      },
    };
  }

  /** Notifies running tasks that the worker stops. */
  async announceStop(): Promise<void> {
    // Without a pool there is no thread to notify.
    (await this.#threads?.catch(() => undefined))?.announceStop();
  }

  /** Ends all threads with their tasks; idle ones once their listeners are through. */
  async close(): Promise<void> {
    const threads = this.#threads;
    await (await threads?.catch(() => undefined))?.close(); // a failed start was reported
    // A worker whose start failed may start again, with new threads.
    if (this.#threads === threads) this.#threads = undefined;
  }

  #started(): Promise<ThreadPool> {
    this.#threads ??= this.#start();
    return this.#threads;
  }

  async #start(): Promise<ThreadPool> {
    const file = findAppModule(this.#module, this.#wanted() ?? 'A task runs in a thread', THREAD_FILE);
    const { ThreadPool } = await import('./pool.js');
    return new ThreadPool({
      ...this.#params,
      file,
      maxTasks: this.#maxTasks,
      maxMemoryBytes: this.#maxMemoryBytes,
      idleMs: IDLE_MS,
    });
  }

  /** The reason threads are needed; undefined if none are. */
  #wanted(): string | undefined {
    if (this.pool === 'threads') return "app.worker(): pool is 'threads'";
    const { registry } = this.#params;
    const name = registry.names().find((candidate) => registry.get(candidate)?.run.pool === 'threads');
    return name === undefined ? undefined : `The task "${name}" has pool: 'threads'`;
  }
}

/** When a thread or process is replaced. */
export interface ChildLimits {
  readonly maxTasks: number | undefined;
  readonly maxMemoryBytes: number | undefined;
}

/** The limits after which threads or processes of a pool are replaced. */
export function childLimits({ maxTasksPerChild, maxMemoryPerChild }: PoolSettings): ChildLimits {
  return { maxTasks: maxTasksPerChild, maxMemoryBytes: maxMemoryPerChild };
}
