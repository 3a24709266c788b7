/**
 * `EagerResult`: the result of a task that ran in its caller's process, by `apply()` or `taskAlwaysEager`. It offers
 * everything an AsyncResult does, from memory, and must never ask the broker.
 */
import { CeleriacError } from '../errors.js';
import type { State } from '../states.js';
import type { MemoryStream } from '../streams/memory-stream.js';
import { ResultStream } from '../streams/result-stream.js';
import { readStreamOptions, type StreamOptions } from '../streams/stream-options.js';
import { readStream } from '../streams/stream-reader.js';
import { type CalledTask, currentTask } from '../tasks/context.js';
import { AsyncResult, type GetOptions, type Update } from './async-result.js';
import type { GroupedResult, ResultGraph, TaskResult } from './relations.js';
import type { ResultSource } from './result-source.js';
import type { RevokeReply } from './revoke.js';
import type { SendReply } from './send-reply.js';
import type { Snapshot } from './snapshot.js';
import { checkFollowOptions, checkGetOptions } from './wait-options.js';
import { WakeUp } from './wake-up.js';

/** A run in the caller's process, from its first attempt to its end. */
export interface EagerRun<R = unknown> {
  readonly snapshot: Snapshot<R>;
  /** All states of the run, the last one included. */
  readonly updates: readonly Update[];
  /** True for a call that would have been sent: `get()` inside a task is then refused, as for a task on a worker. */
  readonly sent: boolean;
  /** The task threw `Ignore`. */
  readonly ignored?: boolean;
  /** The task ended its workflow with its value. */
  readonly endsWorkflow?: boolean;
  /** The results of what its last attempt has called. */
  readonly children?: readonly CalledTask[] | undefined;
  /** The chunks of its last attempt, if it had any. */
  readonly chunks?: MemoryStream | undefined;
}

export class EagerResult<R = unknown, C = unknown> extends AsyncResult<R, C> {
  readonly #run: EagerRun<R>;
  readonly #source: ResultSource;

  constructor(source: ResultSource, run: EagerRun<R>) {
    const { id, name } = run.snapshot;
    super(source, id, name === undefined ? {} : { name });
    this.#run = run;
    this.#source = source;
  }

  /** True if the task ended without a result, by `Ignore`. */
  get ignored(): boolean {
    return this.#run.ignored === true;
  }

  /** True if the task ended its workflow with its value. */
  get endsWorkflow(): boolean {
    return this.#run.endsWorkflow === true;
  }

  override async snapshot(): Promise<Snapshot<R>> {
    return this.#run.snapshot;
  }

  /**
   * Returns the value at once.
   * @throws as `get()` would after a worker's run
   */
  override get(options?: GetOptions & { propagate?: true }): Promise<R>;
  override get(options: GetOptions): Promise<R | Error>;
  override async get(options: GetOptions = {}): Promise<R | Error> {
    checkGetOptions(options);
    const { snapshot, updates, sent } = this.#run;
    if (sent && currentTask() !== undefined && options.allowJoin !== true) throw joined(this.id);
    options.signal?.throwIfAborted();
    if (options.onUpdate !== undefined) for (const update of updates) options.onUpdate(update);
    if (snapshot.error === undefined) return snapshot.value as R;
    if (options.propagate === false) return snapshot.error;
    throw snapshot.error;
  }

  override async *updates(options: { signal?: AbortSignal } = {}): AsyncGenerator<Update, void, void> {
    checkFollowOptions(options, 'updates()');
    options.signal?.throwIfAborted();
    yield* this.#run.updates;
  }

  override stream(options: StreamOptions = {}): ResultStream<C> {
    const settings = readStreamOptions(options);
    const { chunks, snapshot } = this.#run;
    return new ResultStream<C>(() =>
      readStream<C>({
        taskId: this.id,
        streams: chunks ?? { read: async () => undefined },
        settings,
        bell: new WakeUp(),
        locate: async () => this.id,
        look: async () => ({ ...ENDED, error: snapshot.error }),
        watch: () => ({ listening: Promise.resolve(), close: () => undefined }),
        patiently: (work) => work(),
        decode: (text) => this.#source.decoding.decodeResult(JSON.parse(text)) as C,
        hold: () => () => undefined,
      }),
    );
  }

  /** What the task has called. */
  override get children(): Promise<(TaskResult | GroupedResult)[]> {
    return Promise.resolve([...(this.#run.children ?? [])] as (TaskResult | GroupedResult)[]);
  }

  /** A graph with this one task. */
  override async graph(): Promise<ResultGraph> {
    const { id, name, state } = this.#run.snapshot;
    return { nodes: [{ id, name, state }], edges: [] };
  }

  /** Does nothing: the task has ended. */
  override async revoke(): Promise<RevokeReply> {
    return { found: true, was: this.#run.snapshot.state as State };
  }

  /** Accepts nothing: the task has ended. */
  override async send(_name: string, _value?: unknown): Promise<SendReply> {
    return { accepted: false, why: `the task has ended: ${this.#run.snapshot.state}` };
  }

  /** Does nothing: there is no record. */
  override async forget(): Promise<void> {}
}

const ENDED = { known: true, attempt: undefined, origin: undefined, running: false, ended: true };

function joined(id: string): CeleriacError {
  return new CeleriacError(
    `get() on task "${id}" inside a running task: with a worker it could wait for itself. Compose tasks with chain ` +
      'and chord, or pass { allowJoin: true } if another worker is sure to run it.',
  );
}
