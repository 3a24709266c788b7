/**
 * The hooks a service may have as optional methods, and which of them hear of an outcome.
 */
import type { RegisteredTask } from '../tasks/registry.js';
import type { TaskHooks } from '../tasks/service.js';
import type { Outcome } from './outcome.js';

export function hooksOf(task: RegisteredTask): TaskHooks | undefined {
  return task.target.kind === 'method' ? task.target.service.instance : undefined;
}

/** Celery: `afterReturn` is for what succeeded or failed, not for an attempt that will be retried. */
export async function tellHooks(
  hooks: TaskHooks,
  outcome: Outcome,
  taskId: string,
  args: unknown[],
): Promise<void> {
  if (outcome.kind === 'success') {
    await hooks.onSuccess?.(outcome.value, taskId, args);
    await hooks.afterReturn?.('SUCCESS', outcome.value, taskId, args);
  } else if (outcome.kind === 'failure') {
    await hooks.onFailure?.(outcome.error, taskId, args);
    await hooks.afterReturn?.('FAILURE', outcome.error, taskId, args);
  } else if (outcome.kind === 'retry') {
    await hooks.onRetry?.(outcome.error, taskId, args);
  }
}
