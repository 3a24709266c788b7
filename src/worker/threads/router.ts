/**
 * Which tasks of a worker run in threads, and the way there. The pool behind it is loaded when the first of them shows
 * up: a worker without such tasks carries none of it.
 */
import type { Resolved } from '../../options/option-table.js';
import type { POOL_OPTIONS } from '../../options/tables/worker.js';
import type { RegisteredTask, Registry } from '../../tasks/registry.js';
import type { Elsewhere } from '../run/execute.js';
import type { LateHooks, Outcome } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';
import { findAppModule, THREAD_FILE } from './app-module.js';
import type { ThreadPool, ThreadPoolParams } from './pool.js';

/** What `app.worker()` takes about threads. */
export interface PoolOptions {
  /** Where tasks run that do not say so themselves. Default: `'async'`, in the worker's own thread. */
  pool?: 'async' | 'threads';
  /**
   * The module that makes the app and registers its tasks, as a file URL or path: threads load it. Needed as soon as one
   * task runs in threads.
   * @example app.worker({ module: import.meta.url })
   */
  module?: string;
  /** A thread is replaced after so many tasks (Celery: `worker_max_tasks_per_child`). Default: never. */
  maxTasksPerChild?: number;
  /**
   * A thread that holds more after a task is replaced (Celery: `worker_max_memory_per_child`): bytes, or `'200mb'`. One
   * whose heap grows to twice that within a task is stopped, and the task fails with WorkerLostError. Default: never.
   */
  maxMemoryPerChild?: number | string;
}

/** {@link PoolOptions}, resolved. */
export type PoolSettings = Resolved<typeof POOL_OPTIONS>;

/** What the pool needs beside the options. */
export interface ThreadRouterParams
  extends Omit<ThreadPoolParams, 'file' | 'maxTasks' | 'maxMemoryBytes' | 'idleMs'> {
  readonly registry: Registry;
}

/** An idle thread goes after this long. */
const IDLE_MS = 60_000;

export class ThreadRouter implements Elsewhere {
  /** The worker's own choice. */
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
   * Before the worker connects: is there a module, if one is needed?
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

  /** Before the worker takes tasks: one thread, if any will be needed, so that it is known that they load. */
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

  /** Tells running tasks that the worker stops. */
  async announceStop(): Promise<void> {
    // A pool that never came to be has nobody to tell.
    (await this.#threads?.catch(() => undefined))?.announceStop();
  }

  /** Ends all threads, what they run included. */
  async close(): Promise<void> {
    const threads = this.#threads;
    this.#threads = undefined;
    await (await threads?.catch(() => undefined))?.close(); // a start that failed was told
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

  /** What asks for threads; undefined when nothing does. */
  #wanted(): string | undefined {
    if (this.pool === 'threads') return "app.worker(): pool is 'threads'";
    const { registry } = this.#params;
    const name = registry.names().find((candidate) => registry.get(candidate)?.run.pool === 'threads');
    return name === undefined ? undefined : `The task "${name}" has pool: 'threads'`;
  }
}

/** When a thread, or a process, is replaced. */
export interface ChildLimits {
  readonly maxTasks: number | undefined;
  readonly maxMemoryBytes: number | undefined;
}

/** When the threads or processes of a pool are replaced. */
export function childLimits({ maxTasksPerChild, maxMemoryPerChild }: PoolSettings): ChildLimits {
  return { maxTasks: maxTasksPerChild, maxMemoryBytes: maxMemoryPerChild };
}
