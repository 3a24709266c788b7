import type { JobRef } from '../broker/broker.js';
import type { TaskRecord } from '../coordination/task-record.js';
import { wasIgnored } from '../coordination/tombstones.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { CeleriacError, ResultTimeoutError, UnknownTaskError } from '../errors.js';
import { checkNames } from '../options/names.js';
import { type Message, readMessage } from '../protocol/message.js';
import { FAILURE, READY, REVOKED, type State, SUCCESS } from '../states.js';
import type { ResultStream } from '../streams/result-stream.js';
import type { StreamOptions } from '../streams/stream-options.js';
import { currentTask } from '../tasks/context.js';
import { type Collected, collect } from './collect.js';
import type { TaskSighting, WaitLimit } from './feed.js';
import { forgetTask } from './forget.js';
import { type Progress, progressIn } from './progress.js';
import type { GroupedResult, RelatedJson, ResultGraph, TaskResult } from './relations.js';
import type { ResultHints, ResultSource } from './result-source.js';
import { type RevokeOptions, type RevokeReply, revokeTask } from './revoke.js';
import type { SendReply } from './send-reply.js';
import { changesAt, derive, type Snapshot, stateOf } from './snapshot.js';
import { type FollowedTask, streamOf } from './stream-of.js';
import { checkFollowOptions, checkGetOptions } from './wait-options.js';
import { withinLimit } from './within-limit.js';

/** One state of a task. */
export interface Update {
  readonly state: State;
  readonly meta: unknown;
}

/** Options of `get()`. */
export interface GetOptions {
  /** Stop waiting after this long; the task goes on. 0 checks once, without waiting. Default: no limit. */
  timeout?: Duration;
  /** Stop waiting; the task goes on. */
  signal?: AbortSignal;
  /** `false`: return the error instead of throwing it. Default: true. */
  propagate?: boolean;
  /** Called for each new state of the task. */
  onUpdate?: (update: Update) => void;
  /** Allow waiting inside a task, which can deadlock a worker whose slots all wait. Default: false. */
  allowJoin?: boolean;
}

/** A result as JSON; `app.result()` rebuilds the result from it in any process. */
export interface ResultJson {
  readonly id: string;
  readonly name?: string;
  readonly ignoreResult?: true;
  /** The predecessor of the task in its workflow. */
  readonly parent?: RelatedJson;
}

declare module './relations.js' {
  interface TaskResult extends AsyncResult {}
}

/** True if a task is known to leave no result; callers do not wait for such a task. */
export let leavesNothing: (result: AsyncResult) => boolean;

/** A result's JSON without its predecessor, which all members of a group share. */
export let ownJsonOf: (result: AsyncResult) => ResultJson;

/** Like `updates()`, with the attempts. */
export let progressOf: (
  result: AsyncResult,
  signal: AbortSignal | undefined,
) => AsyncGenerator<Progress, void, void>;

export class AsyncResult<R = unknown, C = unknown> {
  static {
    ownJsonOf = (result) => result.#ownJson();
    progressOf = (result, signal) => result.#progress(signal);
    leavesNothing = (result) => result.#hints.ignoreResult === true;
  }

  readonly id: string;
  readonly #source: ResultSource;
  readonly #hints: ResultHints;
  #ref: JobRef | undefined;
  /** True if the task is known to leave no result: `ignoreResult`, or `Ignore`. */
  #unstored: boolean;
  #parent: TaskResult | GroupedResult | undefined;

  constructor(source: ResultSource, id: string, hints: ResultHints = {}) {
    this.id = id;
    this.#source = source;
    this.#hints = hints;
    this.#ref = hints.ref;
    this.#unstored = hints.ignoreResult ?? false;
  }

  /** Everything known about the task, in one read. */
  async snapshot(): Promise<Snapshot<R>> {
    const task = await this.#read();
    const snapshot = this.#derive(task) as Snapshot<R>;
    return task?.hasSteps ? { ...snapshot, steps: await this.#source.steps.view(task) } : snapshot;
  }

  /** The task's state now. */
  get status(): Promise<State> {
    return this.snapshot().then((s) => s.state);
  }

  /** The same as {@link status} (Celery has both). */
  get state(): Promise<State> {
    return this.status;
  }

  /** The value, the error, or the meta of a custom state. */
  get result(): Promise<unknown> {
    return this.snapshot().then((s) => (s.state === SUCCESS ? readValue(s) : (s.error ?? s.meta)));
  }

  /** The same as {@link result} (Celery has both). */
  get info(): Promise<unknown> {
    return this.result;
  }

  /** The stack of the error as the worker saw it. */
  get traceback(): Promise<string | undefined> {
    return this.snapshot().then(({ state, error }) => {
      // A revocation does not come from the task's code.
      if (error === undefined || state === REVOKED) return undefined;
      return 'remoteStack' in error ? (error.remoteStack as string | undefined) : error.stack;
    });
  }

  get dateDone(): Promise<Date | undefined> {
    return this.snapshot().then((s) => s.doneAt);
  }

  /** Whether the task has ended. */
  async ready(): Promise<boolean> {
    return READY.has((await this.snapshot()).state);
  }

  async successful(): Promise<boolean> {
    return (await this.snapshot()).state === SUCCESS;
  }

  async failed(): Promise<boolean> {
    return (await this.snapshot()).state === FAILURE;
  }

  /** Whether the broker has a record of the task. */
  async exists(): Promise<boolean> {
    return (await this.snapshot()).known;
  }

  /**
   * Waits for the task to end and returns its value. Does not wait for a task that leaves no result (`ignoreResult`).
   * @throws {TaskFailedError} the task failed; `cause` is the original error
   * @throws {TaskRevokedError} the task was revoked or expired
   * @throws {ResultTimeoutError} `timeout` ran out
   * @throws {UnknownTaskError} the id was never sent, or is no longer kept
   */
  get(options?: GetOptions & { propagate?: true }): Promise<R>;
  get(options: GetOptions): Promise<R | Error>;
  async get(options: GetOptions = {}): Promise<R | Error> {
    checkGetOptions(options);
    if (currentTask() !== undefined && options.allowJoin !== true) {
      throw new CeleriacError(
        `get() on task "${this.id}" inside a running task: the worker could wait for itself. Compose tasks with ` +
          'chain and chord, or pass { allowJoin: true } if another worker is sure to run it.',
      );
    }
    const seen = await this.#end(options);
    if (seen === undefined) return undefined as R;
    if ('ended' in seen) return this.#source.decoding.decodeResult(JSON.parse(seen.ended)) as R;
    const { state, error, value } = this.#derive(seen.job);
    // A task without a stored result need not have ended; in a workflow its value is kept while other parts may need
    // it.
    if (error === undefined || !READY.has(state)) return (this.#unstored ? undefined : value) as R;
    if (options.propagate === false) return error;
    throw error;
  }

  /**
   * The task's states, from now until its end. States in quick succession may coalesce; the last one before the end
   * is never lost.
   */
  async *updates(options: { signal?: AbortSignal } = {}): AsyncGenerator<Update, void, void> {
    checkFollowOptions(options, 'updates()');
    for await (const { state, meta } of this.#progress(options.signal)) yield { state, meta };
  }

  /**
   * The chunks that the task yields or emits: each one once, in order, however late the reader comes. Ends when the task
   * has ended, and throws what `get()` throws.
   * @throws {StreamRestartedError} the task began again while its chunks were read
   * @throws {StreamTruncatedError} the chunks asked for are no longer kept
   * @throws {UnknownTaskError} the id was never sent, or is no longer kept
   * @example for await (const token of result.stream()) process.stdout.write(token)
   */
  stream(options: StreamOptions = {}): ResultStream<C> {
    return streamOf<C>(this.#source, this.id, options, this.#followed());
  }

  /**
   * Revokes the task. A task that has not started never will, and reads REVOKED at once, with or without a worker. A
   * running task goes on unless `terminate`.
   */
  async revoke(options: RevokeOptions = {}): Promise<RevokeReply> {
    checkNames(options, ['terminate', 'reason'], 'revoke()');
    const ref = await this.#locate();
    if (ref === undefined) return { found: false, was: undefined };
    const replacement = (await this.#read())?.replacedBy;
    const reply = await this.#source.flows.revoke(replacement ?? ref, options);
    if (reply !== undefined) return reply;
    return revokeTask(this.#source, ref, options, this.#source.endRunning);
  }

  /**
   * Sends a value to the task, for its `waitFor(name)`. The first value of a name is accepted, also before the task waits.
   * @throws {NotSerializableError} the value cannot be sent
   */
  async send(name: string, value?: unknown): Promise<SendReply> {
    const ref = await this.#locate();
    if (ref === undefined) return { accepted: false, why: 'no such task is known' };
    return this.#source.steps.send(ref, name, value);
  }

  /** Drops the task's record now, or when it ends (Celery: `forget`). */
  async forget(): Promise<void> {
    const ref = await this.#locate();
    if (ref === undefined || (await this.#source.flows.forget(ref))) return;
    await forgetTask(this.#source, ref, this.#source.forgetRunning);
  }

  /** The task's predecessor in its workflow: the previous step, or the group whose results it takes. */
  get parent(): TaskResult | GroupedResult | undefined {
    this.#parent ??= this.#hints.parent?.();
    return this.#parent;
  }

  /** The tasks and groups of its workflow that begin after the task, and what the task has called. */
  get children(): Promise<(TaskResult | GroupedResult)[]> {
    return this.#locate().then((ref) => (ref === undefined ? [] : this.#source.flows.children(ref, this.id)));
  }

  /**
   * Waits for the task and for the tasks and groups that begin after it, down the tree, each once, with their values.
   * @param options as for `get()`; `timeout` is that of the whole walk
   * @throws as `get()` of each, unless `propagate: false`
   * @example for await (const [result, value] of root.collect()) console.log(result.id, value)
   */
  collect(options: GetOptions = {}): AsyncGenerator<Collected, void, void> {
    checkGetOptions(options);
    return collect(this, options);
  }

  /**
   * The workflow around the task, with the state of every part.
   * @throws {UnknownTaskError} the id was never sent, or is no longer kept
   */
  async graph(): Promise<ResultGraph> {
    const ref = await this.#locate();
    if (ref === undefined) throw new UnknownTaskError(this.id);
    return this.#source.flows.graph(ref, this.id, this.#hints.name);
  }

  toJSON(): ResultJson {
    const { parent } = this;
    return { ...this.#ownJson(), ...(parent !== undefined && { parent: parent.toJSON() }) };
  }

  #progress(signal: AbortSignal | undefined): AsyncGenerator<Progress, void, void> {
    return progressIn(this.#source, this.id, this.#followed(), signal);
  }

  #followed(): FollowedTask {
    return {
      locate: () => this.#locate(),
      read: async (ref, signal) => {
        const job = await this.#source.feed.read(ref);
        if (job === undefined) await this.#missing(ref, signal);
        else this.#note(job);
        return job;
      },
      derive: (job) => this.#derive(job),
    };
  }

  #ownJson(): ResultJson {
    const { name, ignoreResult } = this.#hints;
    return {
      id: this.id,
      ...(name !== undefined && { name }),
      ...(ignoreResult && { ignoreResult: true as const }),
    };
  }

  #end(options: GetOptions): Promise<TaskSighting | undefined> {
    const { onUpdate } = options;
    if (this.#limit(options.timeout)?.ms === 0) return this.#look(options);
    // Requests to the broker before the wait count against the timeout as well.
    if (onUpdate === undefined && this.#ref !== undefined) return this.#waitForEnd(this.#ref, options);
    return withinLimit(this.#limit(options.timeout), options.signal, async (signal) => {
      if (onUpdate !== undefined)
        for await (const update of this.updates(signal && { signal })) onUpdate(update);
      const ref = await this.#source.feed.patiently(() => this.#locate(), signal);
      return ref === undefined ? this.#missing(ref, signal) : this.#waitForEnd(ref, { signal });
    });
  }

  /**
   * Checks once, without waiting.
   * @throws {ResultTimeoutError} the task has not ended
   */
  async #look({ onUpdate, signal }: GetOptions): Promise<TaskSighting | undefined> {
    signal?.throwIfAborted();
    const ref = await this.#locate();
    const job = ref === undefined ? undefined : await this.#source.feed.read(ref);
    if (job === undefined) return this.#missing(ref, signal);
    const ended = this.#hasEnded(job);
    if (onUpdate !== undefined) {
      const { state, meta } = this.#derive(job);
      onUpdate({ state, meta });
    }
    if (!ended) throw new ResultTimeoutError(this.id, 0);
    return { job };
  }

  /** True if there is no reason to wait: the task has ended, or will leave no result. */
  #hasEnded(job: TaskRecord): boolean {
    const message = this.#note(job);
    if (job.doneAt !== undefined || message.ignore === true) return true;
    return READY.has(stateOf(job, message, this.#source.clock.now()));
  }

  #limit(timeout: Duration | undefined): WaitLimit | undefined {
    if (timeout === undefined) return undefined;
    const ms = toPositiveMs(timeout, 'get(): timeout');
    return { ms, error: () => new ResultTimeoutError(this.id, ms) };
  }

  /** @returns undefined for a task whose result is not stored */
  async #waitForEnd(
    ref: JobRef,
    { timeout, signal }: { timeout?: Duration; signal?: AbortSignal | undefined },
  ): Promise<TaskSighting | undefined> {
    signal?.throwIfAborted();
    const limit = this.#limit(timeout);
    const { feed, engine } = this.#source;
    const end = await feed.until({
      ref,
      accept: (candidate) => candidate === undefined || this.#hasEnded(candidate),
      wakeAt: changesAt,
      surelyUnnotified: this.#hints.fresh === true && engine.signals.surelyUnnotified(ref.id),
      signal,
      limit,
    });
    return 'job' in end && end.job === undefined ? this.#missing(ref, signal) : end;
  }

  /** Notes what the message says about the task's result. */
  #note(job: TaskRecord): Message {
    const message = readMessage(job.data);
    if (message.ignore === true) this.#unstored = true;
    return message;
  }

  /**
   * Handles a missing record: fine for a task whose result is not stored.
   * @throws {UnknownTaskError} otherwise: the id was never sent, was forgotten, expired, or was lost with its broker
   */
  async #missing(ref: JobRef | undefined, signal: AbortSignal | undefined): Promise<undefined> {
    const { feed, engine } = this.#source;
    if (!this.#unstored && ref !== undefined)
      this.#unstored = await feed.patiently(() => wasIgnored(engine, ref), signal);
    if (!this.#unstored) throw new UnknownTaskError(this.id);
  }

  async #read(): Promise<TaskRecord | undefined> {
    const ref = await this.#locate();
    return ref === undefined ? undefined : this.#source.feed.read(ref);
  }

  #derive(job: TaskRecord | undefined): Snapshot {
    return derive(this.id, job, { ...this.#source.decoding, now: this.#source.clock.now() });
  }

  async #locate(): Promise<JobRef | undefined> {
    this.#ref ??= await this.#source.locate(this.id);
    return this.#ref;
  }
}

/** @throws {CeleriacError} where this app cannot read it */
function readValue({ value, error }: Snapshot): unknown {
  if (error !== undefined) throw error;
  return value;
}
