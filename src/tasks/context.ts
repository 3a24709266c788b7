/**
 * The running call, as `this` (through TaskService) and `currentTask()` show it. AsyncLocalStorage finds it, so `this`
 * stays the user's real instance and calls running at once never see each other's context. It must never keep a context
 * alive after its call ended: the executor closes it, and a closed one does nothing.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Duration, Moment } from '../duration.js';
import { CeleriacError, MaxRetriesExceededError } from '../errors.js';
import type { TaskLogger } from '../options/logger.js';
import type { RetryChangeOptions } from '../options/retry-change.js';
import type { CallbackSignature } from '../options/tables/call.js';
import { processWide } from '../process-wide.js';
import { generatingWithin, isAsyncGenerator } from './generating.js';
import type { OwnEventFields, OwnEventName } from './own-events.js';
import { DirectSteps, type StepContext } from './step-context.js';

/**
 * The app a task runs in: `this.app` is the `Celeriac` that ran it. `app.ts` merges the class into this interface,
 * so this room needs nothing from the floors above.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging in app.ts
export interface TaskApp {}

/** A task or workflow that a running task has called: its `AsyncResult` or `GroupResult`. */
export interface CalledTask {
  readonly id: string;
}

/** A task that is called with the result of another one. */
export interface LinkedTask {
  readonly id: string;
  readonly name: string;
}

/** What is known about the call being run (Celery: `task.request`). */
export interface TaskRequest {
  readonly id: string;
  readonly name: string;
  readonly args: readonly unknown[];
  /** The first task of the tree this one belongs to; its own id if no task called it. */
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly groupId: string | undefined;
  readonly groupIndex: number | undefined;
  /** Retries so far: 0 on the first attempt. */
  readonly retries: number;
  /** How often a worker started this task, this time included. */
  readonly deliveries: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  /** The name to show instead of the task's. */
  readonly shadow: string | undefined;
  /** No result is stored. */
  readonly ignoreResult: boolean;
  /** What will be called with its result; of a workflow, its first task. */
  readonly links: readonly LinkedTask[];
  /** The results of what this attempt has called so far. */
  readonly children: readonly CalledTask[];
  readonly priority: number;
  readonly queue: string;
  readonly eta: Date | undefined;
  readonly expires: Date | undefined;
  /** Milliseconds, or undefined without a limit. */
  readonly timeLimit: number | undefined;
  readonly softTimeLimit: number | undefined;
  readonly sentAt: Date | undefined;
  /** `name@host` of the worker. */
  readonly node: string | undefined;
  /** The method was called as a plain method, not by a worker. */
  readonly calledDirectly: boolean;
  /** Run in the caller's process by `apply()` or `taskAlwaysEager`. */
  readonly isEager: boolean;
  /** The worker was asked to stop; finish soon. */
  readonly shuttingDown: boolean;
  /**
   * In the code of a batch: the request of each call, in the order of the list. There `id`, `rootId`, `retries`, `headers`
   * and the like are those of no call. Undefined in other tasks.
   */
  readonly batch: readonly TaskRequest[] | undefined;
}

/** What `this.retry()` takes. What it changes about the task holds for all attempts that follow. */
export interface RetryOptions extends RetryChangeOptions {
  /** Wait this long. Default: the task's own rule (backoff, or `defaultRetryDelay`). */
  countdown?: Duration;
  eta?: Moment;
  /** The error that caused the retry; the task fails with it when retries run out. */
  error?: unknown;
  /** Overrides the task's `maxRetries` for this decision; `null` for ever. */
  maxRetries?: number | null;
  /** All arguments of the next attempt; checked as those of a call are. */
  args?: readonly unknown[];
}

/** What a running task can do. */
export interface TaskContext extends StepContext {
  /**
   * Sets a state of your own (`'PROGRESS'`) with JSON data, seen by `status`, `info` and `updates()` at once.
   * Does nothing when the method was called directly, after the task ended, or when this worker lost the task.
   */
  updateState(state: string, meta?: unknown): Promise<void>;
  /**
   * Appends a chunk to the task's stream, as `yield` does in a task that is an async generator. Resolves when the chunk is
   * in the outgoing buffer: waits while that is full. Does nothing when the method was called directly, and after the task
   * ended.
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   */
  emit(chunk: unknown): Promise<void>;
  /**
   * Publishes an event of your own about this task: those who listen to the fleet (`app.events()`), and to this process
   * (`app.on`), get its fields beside the task's `id`, `name`, `queue` and `node`. Without listeners nothing is sent. Does
   * nothing when the method was called directly, and after the task ended.
   * @param type two or more words with dashes between them
   * @param fields plain JSON, up to 6,000 bytes; declare them in {@link OwnEvents}
   * @throws {OptionError} for a name or a field that is celeriac's
   * @throws {NotSerializableError} with the path of what JSON would change
   * @throws {PayloadTooLargeError}
   * @example await this.sendEvent('order-packed', { orderId })
   */
  sendEvent<N extends OwnEventName>(type: N, ...fields: OwnEventFields<N>): Promise<void>;
  readonly request: TaskRequest;
  /** Ends this attempt and runs the task again later. Throws; nothing after it runs. */
  retry(options?: RetryOptions): never;
  /**
   * Ends the chain or chord that this task is a part of, well, with this value: `return this.endWorkflow(value)`. Steps
   * after it never run; the links of the whole do. As a member of a group that nothing waits for, or alone, the task
   * only has that value. Gives the value back, typed so that any task may return it.
   */
  endWorkflow(value?: unknown): never;
  /**
   * Ends this task and puts another call or workflow in its place, which takes over its id, its callbacks and its place
   * in a workflow. Throws; nothing after it runs.
   */
  replace(signature: CallbackSignature): never;
  /**
   * Adds a member to the group or chord header this task belongs to: the body waits for it too.
   * @throws {CeleriacError} the task is no member of a group
   */
  addToGroup(signature: CallbackSignature): Promise<void>;
  /** Aborts on soft time limit, revoke with `terminate`, shutdown deadline and lost lock. */
  readonly signal: AbortSignal;
  /**
   * The app's logger with the task's id and name in every line.
   * @example this.log.info('page fetched'), this.log.info({ bytes }, 'page fetched')
   */
  readonly log: TaskLogger;
  readonly app: TaskApp;
}

/** The scope that the executor opens around a call. */
export interface CallScope {
  readonly context: TaskContext;
  /** The decorated method this scope was opened for; `undefined` in a direct call or once it has been entered. */
  awaiting: EntryPoint | undefined;
  /** Where the scope was entered: what makes `super.method()` part of the same call. */
  entered: (EntryPoint & { readonly wrapper: unknown }) | undefined;
  /** Names of headers that calls made inside inherit. */
  readonly propagate?: readonly string[] | undefined;
  /** Notes what the task has called. */
  addChild?(called: CalledTask): void;
}

/** Which method of which object a scope is for. */
export interface EntryPoint {
  readonly instance: unknown;
  readonly method: PropertyKey;
  /** True if a decorator above `@Task` wraps it. */
  readonly wrapped?: boolean;
}

/** Shared by all copies of this package: a task's code may load another copy than its worker. */
const storage = processWide('scope/1', () => new AsyncLocalStorage<CallScope>());

/** The running task's context; `undefined` outside a task and inside a task method that was called directly. */
export function currentTask(): TaskContext | undefined {
  const context = storage.getStore()?.context;
  return context?.request.calledDirectly ? undefined : context;
}

/** The headers that calls made inside the running task inherit. */
export function propagatedHeaders(): readonly string[] {
  return storage.getStore()?.propagate ?? [];
}

/** The current scope, also in direct calls: for TaskService, whose members work there too. */
export function currentScope(): CallScope | undefined {
  return storage.getStore();
}

/** Notes the result of a call as a child of the running task, if one makes it. */
export function asChild<R extends CalledTask>(sending: Promise<R>): Promise<R> {
  const scope = storage.getStore();
  if (scope?.addChild === undefined) return sending;
  return sending.then((result) => {
    scope.addChild?.(result);
    return result;
  });
}

/** Runs `body` inside `scope`. */
export function runInScope<R>(scope: CallScope, body: () => R): R {
  return storage.run(scope, body);
}

/** Runs a directly called task method as a plain method, also inside another task. */
export function runDirectly<R>(name: string, args: readonly unknown[], body: () => R): R {
  const scope = { context: new DirectContext(name, args), awaiting: undefined, entered: undefined };
  const result = storage.run(scope, body);
  if (!isAsyncGenerator(result)) return result;
  return generatingWithin(result, (step) => storage.run(scope, step)) as R;
}

const NEVER = new AbortController().signal;

/** The context of a direct call: there is no task to update or retry. */
class DirectContext extends DirectSteps implements TaskContext {
  readonly signal = NEVER;

  constructor(
    private readonly name: string,
    private readonly args: readonly unknown[],
  ) {
    super(name, NEVER);
  }

  get request(): TaskRequest {
    return directRequest(this.name, this.args);
  }

  async updateState(): Promise<void> {}

  async emit(): Promise<void> {}

  /** There is no workflow: the value is only returned. */
  endWorkflow(value?: unknown): never {
    return value as never;
  }

  async sendEvent(): Promise<void> {}

  replace(): never {
    throw new CeleriacError(
      `${this.name}: replace() in a direct call; there is no task whose place could be taken.`,
    );
  }

  async addToGroup(): Promise<void> {
    throw new CeleriacError(`${this.name}: addToGroup() in a direct call; it belongs to no group.`);
  }

  retry(options: RetryOptions = {}): never {
    throw (
      options?.error ??
      new MaxRetriesExceededError(
        `${this.name}: retry() in a direct call; there is no worker to run it again. Pass { error } to see the cause.`,
      )
    );
  }

  get log(): TaskLogger {
    return silent;
  }

  get app(): TaskApp {
    throw new CeleriacError(
      `${this.name}: this.app in a direct call; the method does not run inside an app's worker.`,
    );
  }
}

const silent: TaskLogger = { debug() {}, info() {}, warn() {}, error() {} };

function directRequest(name: string, args: readonly unknown[]): TaskRequest {
  return {
    id: '',
    name,
    args,
    rootId: '',
    parentId: undefined,
    groupId: undefined,
    groupIndex: undefined,
    retries: 0,
    deliveries: 0,
    headers: {},
    tags: [],
    shadow: undefined,
    ignoreResult: false,
    links: [],
    children: [],
    priority: 0,
    queue: '',
    eta: undefined,
    expires: undefined,
    timeLimit: undefined,
    softTimeLimit: undefined,
    sentAt: undefined,
    node: undefined,
    calledDirectly: true,
    isEager: false,
    shuttingDown: false,
    batch: undefined,
  };
}
