/**
 * How much a worker process may do before another replaces it (Celery: `worker_max_tasks_per_child`,
 * `worker_max_memory_per_child`). Exact for tasks: jobs fetched beyond the last one are handed back.
 */
import type { ChildLimits } from '../threads/router.js';

/** Reading the memory costs about as much as a small task. */
const LOOK_AGAIN_MS = 50;

export class Recycling {
  #begun = 0;
  #spent = false;
  #lookedAt = 0;

  /**
   * @param onSpent called once, with the reason
   * @param onEnded called for each task that ended
   */
  constructor(
    private readonly limits: ChildLimits,
    private readonly onSpent: (why: string) => void,
    private readonly onEnded: () => void = () => undefined,
  ) {}

  /** Counts a fetched task. `false` if it is beyond the limit. */
  begin(): boolean {
    if (this.#spent) return false;
    this.#begun++;
    if (this.#begun === this.limits.maxTasks) this.#end(`reached maxTasksPerChild (${this.#begun})`);
    return true;
  }

  /** Counts an ended task. */
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
