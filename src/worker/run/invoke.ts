/**
 * Calls the code behind a task, in the scope of its running call: once, or once with each of many argument lists.
 */
import { NotRegisteredError } from '../../errors.js';
import type { Message } from '../../protocol/message.js';
import type { ArgumentChecker } from '../../tasks/arguments.js';
import { type CalledTask, type CallScope, runInScope, type TaskContext } from '../../tasks/context.js';
import { isAsyncGenerator } from '../../tasks/generating.js';
import { entryPoint, type MethodTarget, type RegisteredTask } from '../../tasks/registry.js';
import type { RunningCall } from './running-call.js';

/** Calls a task once with each argument list, in order. */
export async function callEach(
  task: RegisteredTask,
  call: RunningCall,
  lists: unknown[],
): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const [i, args] of lists.entries()) {
    call.item = i;
    // One scope per call, since the first call of the method uses its scope up.
    values.push(await runInScope(scopeOf(call, task), () => callTarget(task, call, args as unknown[])));
  }
  return values;
}

/** The arguments as the task gets them. A call may hide arguments that its task shows: then errors tell nothing of them. */
export async function materialise(
  declared: ArgumentChecker,
  sent: unknown[],
  { each, shown }: Message,
): Promise<unknown[]> {
  const checker = shown === undefined ? declared : declared.discreet();
  if (each !== true) return checker.materialise(sent);
  const lists: unknown[] = [];
  for (const args of sent) lists.push(await checker.materialise(args as unknown[]));
  return lists;
}

/** Calls a task's code. An async generator is run to its end: its value is what it returns. */
export function callTarget(task: RegisteredTask, call: RunningCall, args: unknown[]): unknown {
  const value = callCode(task, call, args);
  return isAsyncGenerator(value) ? call.generate(value) : value;
}

/** Calls a task's code; must be called in the scope of `context`. */
export function callCode({ target }: RegisteredTask, context: TaskContext, args: unknown[]): unknown {
  if (target.kind === 'function') return target.fn.apply(context, args);
  const instance = instanceOf(target);
  return (instance[target.method] as (...args: unknown[]) => unknown)(...args);
}

function instanceOf(target: MethodTarget): Record<string, unknown> {
  const { instance, cls } = target.service;
  if (instance !== undefined) return instance;
  throw new NotRegisteredError(
    `The service ${cls.name} has no instance in this worker: its container gave none.`,
  );
}

/** The scope of a task's own code. A class for the reason that `JobDelivery` is one. */
class TaskScope implements CallScope {
  readonly propagate: readonly string[] | undefined;
  entered: CallScope['entered'];

  constructor(
    readonly context: RunningCall,
    public awaiting: CallScope['awaiting'],
  ) {
    this.propagate = context.delivery.message.propagate;
  }

  addChild(called: CalledTask): void {
    this.context.addChild(called);
  }
}

export function scopeOf(call: RunningCall, task: RegisteredTask): CallScope {
  return new TaskScope(call, task.target.kind === 'method' ? entryPoint(task.target) : undefined);
}
