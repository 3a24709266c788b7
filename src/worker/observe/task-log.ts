/**
 * A worker's log of its tasks: one structured line per end, never a payload; and the number of ended tasks per name.
 */

import type { Logger } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import { type Execution, UNKNOWN_TASK } from '../run/outcome.js';
import type { RunningCall } from '../run/running-call.js';

/** How many revoked ids a worker remembers for `inspect().revoked()`. */
const REVOKED_KEPT = 10_000;

export class TaskLog {
  readonly #revoked: string[] = [];
  readonly #processed = new Map<string, number>();
  /** Ended tasks. */
  total = 0;

  constructor(private readonly logger: Logger) {}

  /** Counts and logs an ended attempt. Never throws: logging must not change the outcome of a task. */
  ended(delivery: Delivery, execution: Execution): void {
    try {
      this.#end(delivery, execution);
    } catch {
      // The logger, or a getter of the error, threw: there is nowhere left to log.
    }
  }

  #end(delivery: Delivery, { outcome, task, runtimeMs }: Execution): void {
    const { taskId, name } = delivery;
    const shown = delivery.message.shadow ?? name;
    const fields = { task: shown, taskId, runtimeMs };
    switch (outcome.kind) {
      case 'success':
        this.#count(task);
        this.logger.info(fields, 'task succeeded');
        return;
      case 'failure': {
        this.#count(task);
        const expected = task?.run.throws.some((cls) => outcome.error instanceof cls) ?? false;
        if (expected)
          this.logger.info({ ...fields, error: textOf(outcome.error) }, 'task failed as expected');
        else this.logger.error({ ...fields, error: outcome.error }, 'task failed');
        return;
      }
      case 'retry':
        this.logger.warn(
          { ...fields, delayMs: outcome.delayMs, error: textOf(outcome.error) },
          'task will be retried',
        );
        return;
      case 'wait': {
        const waits = outcome.waits.map(({ kind, name }) => `${kind} "${name}"`).join(', ');
        this.logger.info({ ...fields, waits }, 'task waits');
        return;
      }
      case 'revoked':
        this.#revoked.push(taskId);
        if (this.#revoked.length > REVOKED_KEPT) this.#revoked.shift();
        this.logger.info({ ...fields, reason: outcome.reason }, 'task revoked');
        return;
      case 'ignore':
        this.#count(task);
        this.logger.info(fields, 'task ignored');
        return;
      case 'requeue':
        this.logger.info({ ...fields, delayMs: outcome.delayMs, reason: outcome.reason }, 'task put back');
        return;
      case 'handBack':
        this.logger.info(fields, 'task handed back');
        return;
      case 'later':
      case 'move':
      case 'lost':
        this.logger.debug({ ...fields, outcome: outcome.kind }, 'task not run now');
    }
  }

  /** Ended tasks by name. */
  processed(): Record<string, number> {
    return Object.fromEntries(this.#processed);
  }

  /** Ids of tasks ended as revoked here, newest last. */
  revoked(): string[] {
    return [...this.#revoked];
  }

  running(calls: readonly RunningCall[]): void {
    this.logger.info({ running: calls.length }, 'running tasks');
    for (const { delivery, runtimeMs } of calls) {
      const fields = {
        task: delivery.name,
        taskId: delivery.taskId,
        queue: delivery.queue,
        runtimeMs,
      };
      this.logger.info(fields, 'running');
    }
  }

  /** Tasks unknown here share one count: a producer could invent a new name for each. */
  #count(task: RegisteredTask | undefined): void {
    this.total++;
    const name = task?.name ?? UNKNOWN_TASK;
    this.#processed.set(name, (this.#processed.get(name) ?? 0) + 1);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'a thrown value that is no Error';
}
