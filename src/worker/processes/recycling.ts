/**
 * How much a worker process may do before another takes its place (Celery: `worker_max_tasks_per_child`,
 * `worker_max_memory_per_child`). Exact for tasks: what was fetched beyond the last one is handed back.
 */
import type { ChildLimits } from '../threads/router.js';

/** Reading the memory costs about as much as a small task. */
const LOOK_AGAIN_MS = 50;

export class Recycling {
  #begun = 0;
  #spent = false;
  #lookedAt = 0;

  /**
   * @param onSpent is told once, with the reason
   * @param onEnded is told of each task that ended
   */
  constructor(
    private readonly limits: ChildLimits,
    private readonly onSpent: (why: string) => void,
    private readonly onEnded: () => void = () => undefined,
  ) {}

  /** A task came. `false`: it is one too many. */
  begin(): boolean {
    if (this.#spent) return false;
    this.#begun++;
    if (this.#begun === this.limits.maxTasks) this.#end(`reached maxTasksPerChild (${this.#begun})`);
    return true;
  }

  /** A task ended. */
  ended(): void {
    this.onEnded();
    const { maxMemoryBytes } = this.limits;
    if (maxMemoryBytes === undefined || this.#spent) return;
    const now = performance.now();
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return;
    this.#lookedAt = now;
    const held = process.memoryUsage.rss();
    if (held > maxMemoryBytes) this.#end(`exceeded maxMemoryPerChild (${Math.round(held / 1024 ** 2)} MB)`);
  }

  #end(why: string): void {
    this.#spent = true;
    this.onSpent(why);
  }
}
