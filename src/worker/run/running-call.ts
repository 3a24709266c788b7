/**
 * A call while it runs: the context its task sees, its limits, and the ways to end it from outside. Once closed it
 * answers but must change nothing, so that code which outlives its task (a forgotten promise, a time limit) does no
 * harm.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Composable } from '../../canvas/typing.js';
import { MOST_ENTRIES, type TrailEntry } from '../../coordination/trail.js';
import type { Duration } from '../../duration.js';
import { CeleriacError, OptionError, SoftTimeLimitExceeded, TimeLimitExceeded } from '../../errors.js';
import { type TaskLogger, taskLogger } from '../../options/logger.js';
import type { CallbackSignature } from '../../options/tables/call.js';
import type { WaitingFor } from '../../protocol/waiting.js';
import type { Delivery } from '../../queue/delivery.js';
import { CallSteps, type Stepping, type SteppingCall } from '../../steps/call-steps.js';
import { runningStep } from '../../steps/running-step.js';
import type { CallStream } from '../../streams/call-stream.js';
import type { CalledTask, RetryOptions, TaskApp, TaskContext, TaskRequest } from '../../tasks/context.js';
import type { Generating } from '../../tasks/generating.js';
import { type OwnEventFields, type OwnEventName, readOwnEvent } from '../../tasks/own-events.js';
import { encodeResult } from '../../tasks/serializer.js';
import type { StepTools, WaitOptions } from '../../tasks/step-context.js';
import { after, type Cancel } from '../../timers.js';
import type { Seat } from '../batches/seat.js';
import { ReplaceRequest, type Spawns } from '../workflow/spawn.js';
import type { CallHost, CallLimits } from './call-host.js';
import { callRequest, trailEntry } from './call-request.js';
import type { Outcome } from './outcome.js';
import { retryRequest } from './retry-policy.js';

const NO_CHILDREN: readonly CalledTask[] = Object.freeze([]);

/** State names follow Celery's convention. */
const STATE_NAME = /^[A-Z][A-Z0-9_]*$/;

export class RunningCall implements TaskContext, SteppingCall {
  /** On this process's steady clock. */
  readonly #begunAt = performance.now();
  #startedAt: number | undefined;
  #request: TaskRequest | undefined;
  #abort: AbortController | undefined;
  /** Restores the async context in which the task first asked for its signal. */
  #within: ReturnType<typeof AsyncLocalStorage.snapshot> | undefined;
  #abortReason: { readonly reason: unknown } | undefined;
  #end: ((outcome: Outcome) => void) | undefined;
  #timers: Cancel[] = [];
  #closed = false;
  /** True once the outcome is decided. */
  #finished = false;
  /** Number of members the task has added to its group. */
  #added = 0;
  /** Made when the task asks for a step. */
  #steps: CallSteps | undefined;
  /** The task's chunks on their way out, from the first one on. */
  #stream: CallStream | undefined;
  /** Decides the outcome at the hard limit. Default: a failure. */
  atHardLimit: ((error: TimeLimitExceeded) => Outcome) | undefined;
  /** Set where the task's code runs elsewhere and wrote chunks there. */
  streamedElsewhere = false;
  /** The results of what the task has called. */
  #children: CalledTask[] | undefined;
  /** The same where its code runs elsewhere, as it ended there. */
  calledElsewhere: readonly TrailEntry[] | undefined;
  /** The task asked to end its workflow, should it succeed. */
  endsWorkflow = false;

  /** Where the task runs once with each of many argument lists: the index of the one it runs with now. */
  item: number | undefined;

  /** Its place in the batch that it is run with. */
  seat: Seat<RunningCall> | undefined;

  /** The arguments as the task gets them: class instances where it declares some. */
  given: readonly unknown[];

  constructor(
    readonly delivery: Delivery,
    private readonly host: CallHost,
    private readonly args: readonly unknown[],
    readonly limits: CallLimits,
    readonly eager = false,
    private readonly spawning?: Spawns,
    private readonly stepping?: Stepping,
    private readonly openStream?: (call: RunningCall) => CallStream | undefined,
  ) {
    this.given = args;
  }

  /** When it began, epoch ms, by the clock that gives `now`; every call gives the same moment. */
  startedAt(now: number): number {
    this.#startedAt ??= now - this.runtimeMs;
    return this.#startedAt;
  }

  /** How long it has run, whole ms. */
  get runtimeMs(): number {
    return Math.round(performance.now() - this.#begunAt);
  }

  get request(): TaskRequest {
    this.#request ??= callRequest(this, this.host, this.args);
    return this.#request;
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = this.host.newAbort?.() ?? new AbortController();
      this.#within = AsyncLocalStorage.snapshot();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason.reason);
    }
    return this.#abort.signal;
  }

  addChild(called: CalledTask): void {
    if (this.#closed) return;
    this.#children ??= [];
    if (this.#children.length < MOST_ENTRIES) this.#children.push(called);
  }

  get children(): readonly CalledTask[] {
    return this.#children ?? NO_CHILDREN;
  }

  /** What the task has called, as it is stored; undefined if nothing. */
  get trail(): readonly TrailEntry[] | undefined {
    return this.calledElsewhere ?? this.#children?.map(trailEntry);
  }

  get log(): TaskLogger {
    return taskLogger(this.host.logger, { taskId: this.delivery.taskId, task: this.delivery.name });
  }

  get app(): TaskApp {
    return this.host.app;
  }

  updateState(state: string, meta?: unknown): Promise<void> {
    return this.#unawaited('updateState', this.#updateState(state, meta));
  }

  async #updateState(state: string, meta: unknown): Promise<void> {
    if (typeof state !== 'string' || !STATE_NAME.test(state)) {
      throw new OptionError(
        `updateState: "${String(state)}" is not a state. Use upper case, such as PROGRESS.`,
      );
    }
    this.#throwIfSoftLimitPassed();
    if (this.#closed) return;
    const { retries } = this.delivery;
    await this.delivery.saveProgress({
      state,
      meta: this.host.encodeMeta?.(meta, this.delivery) ?? encodeResult(meta ?? null),
      ...(retries > 0 && { attempt: retries }),
    });
    this.#throwIfSoftLimitPassed();
  }

  emit(chunk: unknown): Promise<void> {
    return this.#unawaited('emit', this.#emit(chunk));
  }

  async #emit(chunk: unknown): Promise<void> {
    this.#throwIfSoftLimitPassed();
    if (this.#closed) return;
    const room = this.#openedStream().send(chunk);
    const step = runningStep();
    if (step !== undefined) step.chunks++;
    if (room !== undefined) await room;
    this.#throwIfSoftLimitPassed();
  }

  sendEvent<N extends OwnEventName>(type: N, ...[fields]: OwnEventFields<N>): Promise<void> {
    return this.#unawaited('sendEvent', this.#sendEvent(type, fields));
  }

  async #sendEvent(type: string, fields: unknown): Promise<void> {
    const event = readOwnEvent(type, fields);
    this.#throwIfSoftLimitPassed();
    if (!this.#closed) await this.host.sendEvent?.(this.delivery, event);
  }

  passChunks(count: number): Promise<void> {
    return this.#openedStream().pass(count);
  }

  /** Runs a generator as the body: see `driveGenerator`. */
  generate(generator: Generating): Promise<unknown> {
    return this.#openedStream().generate(generator, () => {
      const reason = this.#abortReason?.reason;
      return reason instanceof SoftTimeLimitExceeded ? reason : undefined;
    });
  }

  /** Whether the task has a stream. */
  get streamed(): boolean {
    return this.streamedElsewhere || (this.#stream?.count ?? 0) > 0;
  }

  #openedStream(): CallStream {
    this.#stream ??= this.openStream?.(this);
    if (this.#stream === undefined)
      throw new CeleriacError(`${this.delivery.name}: nothing takes chunks here.`);
    return this.#stream;
  }

  retry(options: RetryOptions = {}): never {
    const request = retryRequest(options);
    if (request.changes?.queue !== undefined && this.delivery.hasParent)
      throw new OptionError(
        `this.retry(): ${this.delivery.name} is a child in a flow of BullMQ's, which knows it by its queue, so it cannot go on in queue "${request.changes.queue}".`,
      );
    throw request;
  }

  endWorkflow(value?: unknown): never {
    this.endsWorkflow = true;
    // What the task returns is its value, whatever its type: `never` lets any method return it.
    return value as never;
  }

  replace(signature: CallbackSignature): never {
    throw new ReplaceRequest(signature);
  }

  addToGroup(signature: CallbackSignature): Promise<void> {
    return this.#unawaited('addToGroup', this.#addToGroup(signature));
  }

  async #addToGroup(signature: CallbackSignature): Promise<void> {
    this.#throwIfSoftLimitPassed();
    if (this.#closed) return;
    if (this.spawning === undefined)
      throw new CeleriacError(
        `${this.delivery.name}: addToGroup() is not supported in an eager call outside a group.`,
      );
    await this.spawning.addMember(this.delivery, this.#added++, signature as Composable);
  }

  step<T>(name: string, fn: (tools: StepTools) => T | PromiseLike<T>): Promise<T> {
    return this.#stepsNow().step(name, fn);
  }

  sleep(name: string, duration: Duration | Date): Promise<void> {
    return this.#stepsNow().sleep(name, duration);
  }

  waitFor<T = unknown>(name: string, options?: WaitOptions<T>): Promise<T> {
    return this.#stepsNow().waitFor(name, options);
  }

  /** The names that it has waited for so far. */
  get waitedFor(): readonly string[] {
    return this.#steps?.waitedFor ?? [];
  }

  #stepsNow(): CallSteps {
    if (this.stepping === undefined) throw new CeleriacError(`${this.delivery.name}: a hook has no steps.`);
    this.#steps ??= new CallSteps(this, this.stepping);
    return this.#steps;
  }

  /** Ends this stretch of the attempt without aborting its signal: nothing of the body is to run any more. */
  park(waits: readonly WaitingFor[], delayMs: number): void {
    const ranMs = this.runtimeMs + (this.delivery.woken?.ranMs ?? 0);
    if (!this.#closed) this.#end?.({ kind: 'wait', waits, delayMs, ranMs });
  }

  /** Another worker may run the task by now. */
  lost(): void {
    const { name, taskId } = this.delivery;
    this.end(
      { kind: 'lost' },
      new CeleriacError(`This worker lost ${name} (${taskId}) before a step was stored.`),
    );
  }

  /**
   * A caller that awaits the promise gets the error. If the task does not await it, the error is logged: Node would
   * end the process for an unhandled rejection, and the other tasks with it.
   */
  #unawaited(what: string, promise: Promise<void>): Promise<void> {
    promise.catch((error: unknown) => {
      // The limit's own error is not logged: the next await throws it too.
      if (error !== this.#abortReason?.reason)
        this.log.warn({ error }, `${what}() of ${this.delivery.name} did nothing`);
    });
    return promise;
  }

  /**
   * Resolves with `finish` of the body's outcome, or of the first outcome decided from outside.
   * @param timed start the limits now; otherwise the code that runs the body calls `startLimits`
   */
  run<R>(body: () => Promise<Outcome>, timed: boolean, finish: (outcome: Outcome) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const end = (outcome: Outcome) => {
        if (this.#finished) return;
        this.#finished = true;
        this.close(outcome.kind === 'wait');
        resolve(this.#stream === undefined ? finish(outcome) : this.#withChunks(outcome).then(finish));
      };
      this.#end = end;
      if (timed) this.startLimits();
      body().then(end, reject);
    });
  }

  /** Waits until the chunks are written: a reader never sees the end before the last chunk. */
  async #withChunks(outcome: Outcome): Promise<Outcome> {
    const { kind } = outcome;
    const another = kind === 'lost' || kind === 'handBack' || kind === 'requeue';
    const refused = await this.#stream?.end(another ? 'dropped' : 'written');
    return refused !== undefined && outcome.kind === 'success' ? { kind: 'failure', ...refused } : outcome;
  }

  /** Ends the call from outside: aborts its signal, decides its outcome, and ignores what its code still does. */
  end(outcome: Outcome, reason: unknown): void {
    if (this.#closed) return;
    this.abort(reason);
    this.#end?.(outcome);
  }

  /** Its worker stops: it goes on elsewhere if it only waits, and else runs there from the beginning. */
  handBack(): void {
    if (this.#closed) return;
    const reason = new WorkerStopping();
    this.abort(reason);
    if (this.#steps?.parkToGo() !== true) this.end({ kind: 'handBack' }, reason);
  }

  /** Aborts `this.signal`; the task goes on if it does not listen. */
  abort(reason: unknown): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = { reason };
    this.seat?.aborted(reason);
    // Listeners run inside whatever aborts, mostly a timer. They belong to the task, so `this` must work there too.
    this.#within?.(() => this.#abort?.abort(reason));
  }

  /** Why its signal was aborted; undefined if it was not. */
  get aborted(): { readonly reason: unknown } | undefined {
    return this.#abortReason;
  }

  /** From here on this call changes nothing. */
  close(parked = false): void {
    this.#closed = true;
    this.#stream?.leave(parked);
    for (const cancel of this.#timers) cancel();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Starts the time limits. */
  startLimits(): void {
    const { softMs, hardMs } = this.limits;
    const { name, taskId, woken } = this.delivery;
    // Limits count what ran, over all stretches of the attempt.
    const ranMs = woken?.ranMs ?? 0;
    if (softMs !== undefined) {
      const passed = () =>
        this.abort(new SoftTimeLimitExceeded(`${name} (${taskId}) ran over its soft limit of ${softMs} ms.`));
      this.#timers.push(after(Math.max(1, softMs - ranMs), passed));
    }
    if (hardMs !== undefined) {
      const passed = () => {
        const error = new TimeLimitExceeded(`${name} (${taskId}) ran over its time limit of ${hardMs} ms.`);
        this.end(this.atHardLimit?.(error) ?? { kind: 'failure', error }, error);
      };
      this.#timers.push(after(Math.max(1, hardMs - ranMs), passed));
    }
  }

  checkLimit(): void {
    this.#throwIfSoftLimitPassed();
  }

  #throwIfSoftLimitPassed(): void {
    const reason = this.#abortReason?.reason;
    if (reason instanceof SoftTimeLimitExceeded && !this.#closed) throw reason;
  }
}

/** The abort reason of a task's signal when its worker stops. */
export class WorkerStopping extends CeleriacError {
  constructor() {
    super('The worker stops; the task was handed back and will run elsewhere from its beginning.');
  }
}
