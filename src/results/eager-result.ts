/**
 * `EagerResult`: the result of a task that ran in its caller's process, by `apply()` or `taskAlwaysEager`. It answers
 * all that an AsyncResult is asked, from what is already known, and never asks the broker.
 */
import { CeleriacError } from '../errors.js';
import type { State } from '../states.js';
import { currentTask } from '../tasks/context.js';
import { AsyncResult, type GetOptions, type Update } from './async-result.js';
import type { ResultGraph } from './relations.js';
import type { ResultSource } from './result-source.js';
import type { RevokeReply } from './revoke.js';
import type { Snapshot } from './snapshot.js';
import { checkFollowOptions, checkGetOptions } from './wait-options.js';

/** A task that ran here, from its first attempt to its end. */
export interface EagerRun<R = unknown> {
  readonly snapshot: Snapshot<R>;
  /** The states it went through, the last one included. */
  readonly updates: readonly Update[];
  /** `get()` inside a task is refused as it would be for a task that a worker runs. */
  readonly sent: boolean;
  /** It threw Ignore. */
  readonly ignored?: boolean;
}

export class EagerResult<R = unknown> extends AsyncResult<R> {
  readonly #run: EagerRun<R>;

  constructor(source: ResultSource, run: EagerRun<R>) {
    const { id, name } = run.snapshot;
    super(source, id, name === undefined ? {} : { name });
    this.#run = run;
  }

  /** Whether it ended without a result, as it wished itself. */
  get ignored(): boolean {
    return this.#run.ignored === true;
  }

  override async snapshot(): Promise<Snapshot<R>> {
    return this.#run.snapshot;
  }

  /**
   * The value, at once.
   * @throws what a worker's run would have made `get()` throw
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

  /** A graph of one, as it ended. */
  override async graph(): Promise<ResultGraph> {
    const { id, name, state } = this.#run.snapshot;
    return { nodes: [{ id, name, state }], edges: [] };
  }

  /** It has ended: nothing is revoked. */
  override async revoke(): Promise<RevokeReply> {
    return { found: true, was: this.#run.snapshot.state as State };
  }

  /** There is no record to drop. */
  override async forget(): Promise<void> {}
}

function joined(id: string): CeleriacError {
  return new CeleriacError(
    `get() on task "${id}" inside a running task: with a worker it could wait for itself. Compose tasks with chain ` +
      'and chord, or pass { allowJoin: true } if another worker is sure to run it.',
  );
}
