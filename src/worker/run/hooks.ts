/**
 * The optional hook methods of a service, and which of them run for an outcome. All but `beforeStart` run once the
 * outcome is written (Celery's order): callers do not wait for them, no limit counts them, and they see the final
 * state. What they throw is logged and changes nothing.
 */
import type { Delivery } from '../../queue/delivery.js';
import { runInScope } from '../../tasks/context.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { TaskHooks } from '../../tasks/service.js';
import type { Execution, LateHooks, Outcome } from './outcome.js';
import { outsideContext } from './outside-context.js';
import type { RunningCall } from './running-call.js';

export function hooksOf(task: RegisteredTask): TaskHooks | undefined {
  return task.target.kind === 'method' ? task.target.service.instance : undefined;
}

/** True if a task has hooks that run after its end. For a service not created yet, its class is asked. */
export function hasLateHooks({ target }: RegisteredTask): boolean {
  if (target.kind !== 'method') return false;
  const hooks: TaskHooks = target.service.instance ?? (target.service.cls.prototype as TaskHooks);
  return (
    hooks.onSuccess !== undefined ||
    hooks.onFailure !== undefined ||
    hooks.onRetry !== undefined ||
    hooks.afterReturn !== undefined
  );
}

/** Runs the hooks of an attempt after its end is written; without hooks the cost is one look. */
export function runWhenWritten(delivery: Delivery, { hooks, outcome }: Execution): void {
  if (hooks !== undefined && isHeard(outcome))
    delivery.afterwards(() => outsideContext(() => hooks.run(outcome)));
}

/** As in Celery, revoked, ignored, returned and replaced tasks run no hooks. */
function isHeard({ kind }: Outcome): boolean {
  return kind === 'success' || kind === 'failure' || kind === 'retry';
}

/** What running the hooks of one call needs. */
export interface HookedCall {
  readonly call: RunningCall;
  readonly task: RegisteredTask;
  /** The arguments as the task got them. */
  args(): readonly unknown[] | Promise<readonly unknown[]>;
  /** Creates the service, if it does not exist yet. */
  prepare?(): Promise<void>;
  /** Runs `body` within the task's trace. */
  traced<R>(body: () => R): R;
}

/** The hooks of a call that ran in this thread. */
export class HooksHere implements LateHooks {
  constructor(private readonly hooked: HookedCall) {}

  async run(outcome: Outcome): Promise<void> {
    const { call, task, traced } = this.hooked;
    const scope = { context: call, awaiting: undefined, entered: undefined };
    try {
      if (hooksOf(task) === undefined) await this.hooked.prepare?.();
      const hooks = hooksOf(task);
      const args = await this.hooked.args();
      if (hooks !== undefined)
        await traced(() => runInScope(scope, () => runInOrder(hooks, outcome, this.hooked, args)));
    } catch (error) {
      logFailed(this.hooked, error);
    }
  }
}

/** `afterReturn` runs after a success or a failure, not for an attempt that will be retried. */
async function runInOrder(
  hooks: TaskHooks,
  outcome: Outcome,
  hooked: HookedCall,
  args: readonly unknown[],
): Promise<void> {
  const { taskId } = hooked.call.delivery;
  const each = async (hook: () => unknown) => {
    try {
      await hook();
    } catch (error) {
      logFailed(hooked, error);
    }
  };
  if (outcome.kind === 'success') {
    await each(() => hooks.onSuccess?.(outcome.value, taskId, args));
    await each(() => hooks.afterReturn?.('SUCCESS', outcome.value, taskId, args));
  } else if (outcome.kind === 'failure') {
    await each(() => hooks.onFailure?.(outcome.error, taskId, args));
    await each(() => hooks.afterReturn?.('FAILURE', outcome.error, taskId, args));
  } else if (outcome.kind === 'retry') {
    await each(() => hooks.onRetry?.(outcome.error, taskId, args));
  }
}

function logFailed({ call }: HookedCall, error: unknown): void {
  try {
    call.log.error({ error }, `a hook of ${call.delivery.name} threw; the task's outcome stands`);
  } catch {
    // The logger threw: there is nowhere left to log.
  }
}
