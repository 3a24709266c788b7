/**
 * `TaskService`: the base class that gives a service's task methods the running call as `this.…`. It holds no
 * state: every member looks the running call up, so one instance serves any number of calls at once.
 */
import type { Duration } from '../duration.js';
import { CeleriacError, OptionError } from '../errors.js';
import type { TaskLogger } from '../options/logger.js';
import type { CallbackSignature } from '../options/tables/call.js';
import {
  currentScope,
  type RetryOptions,
  type TaskApp,
  type TaskContext,
  type TaskRequest,
} from './context.js';
import { prototypeChain } from './declaration.js';
import type { OwnEventFields, OwnEventName } from './own-events.js';
import type { StepTools, WaitOptions } from './step-context.js';

/** Extend this to write tasks as methods. A class that cannot extend it uses `currentTask()`. */
export abstract class TaskService implements TaskContext {
  /** @see TaskContext.updateState */
  updateState(state: string, meta?: unknown): Promise<void> {
    const context = currentScope()?.context;
    if (context !== undefined) return context.updateState(state, meta);
    warnLostContext('updateState');
    return Promise.resolve();
  }

  /** @see TaskContext.emit */
  emit(chunk: unknown): Promise<void> {
    const context = currentScope()?.context;
    if (context !== undefined) return context.emit(chunk);
    warnLostContext('emit');
    return Promise.resolve();
  }

  /** @see TaskContext.sendEvent */
  sendEvent<N extends OwnEventName>(type: N, ...fields: OwnEventFields<N>): Promise<void> {
    const context = currentScope()?.context;
    if (context !== undefined) return context.sendEvent(type, ...fields);
    warnLostContext('sendEvent');
    return Promise.resolve();
  }

  /** The properties of the running call. */
  get request(): TaskRequest {
    return running('request').request;
  }

  /** @see TaskContext.retry */
  retry(options?: RetryOptions): never {
    return running('retry').retry(options);
  }

  /** @see TaskContext.endWorkflow */
  endWorkflow(value?: unknown): never {
    return running('endWorkflow').endWorkflow(value);
  }

  /** @see TaskContext.replace */
  replace(signature: CallbackSignature): never {
    return running('replace').replace(signature);
  }

  /** @see TaskContext.addToGroup */
  addToGroup(signature: CallbackSignature): Promise<void> {
    return running('addToGroup').addToGroup(signature);
  }

  /** @see StepContext.step */
  step<T>(name: string, fn: (tools: StepTools) => T | PromiseLike<T>): Promise<T> {
    return running('step').step(name, fn);
  }

  /** @see StepContext.sleep */
  sleep(name: string, duration: Duration | Date): Promise<void> {
    return running('sleep').sleep(name, duration);
  }

  /** @see StepContext.waitFor */
  waitFor<T = unknown>(name: string, options?: WaitOptions<T>): Promise<T> {
    return running('waitFor').waitFor(name, options);
  }

  /** Aborts when the task should stop. */
  get signal(): AbortSignal {
    return running('signal').signal;
  }

  /** The app's logger, with the task's id and name in every line. */
  get log(): TaskLogger {
    return running('log').log;
  }

  /** The app that runs this call. */
  get app(): TaskApp {
    return running('app').app;
  }
}

/** Hooks a service may have, in Celery's order. */
export interface TaskHooks {
  beforeStart?(taskId: string, args: readonly unknown[]): unknown;
  onSuccess?(value: unknown, taskId: string, args: readonly unknown[]): unknown;
  onFailure?(error: unknown, taskId: string, args: readonly unknown[]): unknown;
  onRetry?(error: unknown, taskId: string, args: readonly unknown[]): unknown;
  afterReturn?(state: string, valueOrError: unknown, taskId: string, args: readonly unknown[]): unknown;
}

/** TaskService's own members, which a service may not shadow. */
const SERVICE_MEMBERS: ReadonlySet<string> = new Set(
  Object.getOwnPropertyNames(TaskService.prototype).filter((name) => name !== 'constructor'),
);

/**
 * Refuses a service whose own members hide TaskService's: `this.log` would silently be something else.
 * @throws {OptionError} naming class and member
 */
export function checkNoShadowing(instanceOrPrototype: object, className: string): void {
  if (!(instanceOrPrototype instanceof TaskService)) return;
  for (const link of prototypeChain(instanceOrPrototype)) {
    if (link === TaskService.prototype) return;
    for (const name of Object.getOwnPropertyNames(link)) {
      if (!SERVICE_MEMBERS.has(name)) continue;
      throw new OptionError(
        `${className} has a member "${name}" of its own, which hides TaskService's. Rename it, or use a #private field.`,
      );
    }
  }
}

function running(member: string): TaskContext {
  const context = currentScope()?.context;
  if (context !== undefined) return context;
  throw new CeleriacError(
    `this.${member} is used outside a running task: the method was called from code that a task did not start, ` +
      'or the asynchronous context was lost on the way (a callback registered before the task began).',
  );
}

function warnLostContext(member: string): void {
  process.emitWarning(
    `this.${member}() was called where no task is running, so it does nothing. The asynchronous context was lost ` +
      'on the way, perhaps in a callback that was registered before the task began.',
    'CeleriacWarning',
  );
}
