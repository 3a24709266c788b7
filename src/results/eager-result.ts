/**
 * `EagerResult`: the result of `apply()`, which ran the task here and now. The same questions as AsyncResult, with the
 * answers already known.
 */
import { FAILURE, type State, SUCCESS } from '../states.js';

/** How an eager run ended. */
export interface EagerOutcome<R> {
  readonly state: State;
  readonly value?: R;
  readonly error?: Error;
}

export class EagerResult<R = unknown> {
  constructor(
    readonly id: string,
    private readonly outcome: EagerOutcome<R>,
  ) {}

  /** The value. @throws what AsyncResult's `get()` would throw */
  async get(options: { propagate?: boolean } = {}): Promise<R> {
    const { error, value } = this.outcome;
    if (error === undefined) return value as R;
    if (options.propagate === false) return error as R;
    throw error;
  }

  get status(): Promise<State> {
    return Promise.resolve(this.outcome.state);
  }

  get state(): Promise<State> {
    return this.status;
  }

  get result(): Promise<unknown> {
    return Promise.resolve(this.outcome.error ?? this.outcome.value);
  }

  get info(): Promise<unknown> {
    return this.result;
  }

  get traceback(): Promise<string | undefined> {
    const { error } = this.outcome;
    return Promise.resolve(error?.cause instanceof Error ? error.cause.stack : error?.stack);
  }

  async ready(): Promise<boolean> {
    return true;
  }

  async successful(): Promise<boolean> {
    return this.outcome.state === SUCCESS;
  }

  async failed(): Promise<boolean> {
    return this.outcome.state === FAILURE;
  }
}
