/** What a running task can do to survive its own middle; part of `TaskContext`. */
import type { Duration } from '../duration.js';
import { StepError } from '../errors.js';
import type { StandardSchema } from './standard-schema.js';

/** What the function of a step gets. */
export interface StepTools {
  /**
   * The same text for the same step of the same task, in every attempt: an idempotency key for services outside, since a
   * crash between the effect and its record runs the function again.
   */
  readonly key: string;
  /** The task's signal. */
  readonly signal: AbortSignal;
}

/** A schema of Standard Schema v1 that gives a `T`: zod's, valibot's, arktype's. */
export interface WaitSchema<T> {
  readonly '~standard': StandardSchema['~standard'] & {
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

/** What `waitFor` takes. */
export interface WaitOptions<T = unknown> {
  /** Throw a WaitTimeoutError when nothing was sent for so long. Default: wait for ever. */
  timeout?: Duration;
  /** Checks the value, and gives what it makes of it. */
  schema?: WaitSchema<T>;
}

/** Steps of a task. A name is used once in an attempt, whichever of them it is given to. */
export interface StepContext {
  /**
   * Runs `fn` and stores its value; a later attempt gets the value without running `fn`. An error is not stored.
   * @throws {StepError} the name was used before in this attempt
   * @throws {NotSerializableError} the value cannot be stored
   * @example const charge = await this.step('charge', ({ key }) => payments.charge(id, { idempotencyKey: key }));
   */
  step<T>(name: string, fn: (tools: StepTools) => T | PromiseLike<T>): Promise<T>;
  /**
   * Ends this stretch of the attempt, and begins the next one after `duration`, or at a moment: the task holds no slot
   * and no worker meanwhile. Does not come back before that: the next stretch passes it by.
   * @throws {StepError} in a direct call, and in the function of a step
   */
  sleep(name: string, duration: Duration | Date): Promise<void>;
  /**
   * Waits, without a slot, for the value that somebody sends to the task under this name: `result.send(name, value)`.
   * @throws {WaitTimeoutError} nothing was sent within `timeout`
   * @throws {InvalidArgumentsError} the value does not fit the schema
   * @throws {StepError} in a direct call, and in the function of a step
   * @example const { by } = await this.waitFor<Approval>('approval', { timeout: '3d' });
   */
  waitFor<T = unknown>(name: string, options?: WaitOptions<T>): Promise<T>;
}

/** The steps of a method that was called directly: no task, so nothing is stored and nothing waits. */
export class DirectSteps implements StepContext {
  readonly #task: string;
  readonly #signal: AbortSignal;

  constructor(task: string, signal: AbortSignal) {
    this.#task = task;
    this.#signal = signal;
  }

  async step<T>(name: string, fn: (tools: StepTools) => T | PromiseLike<T>): Promise<T> {
    return fn({ key: `${this.#task}:${name}`, signal: this.#signal });
  }

  async sleep(name: string): Promise<never> {
    throw this.#refused('sleep', name);
  }

  async waitFor(name: string): Promise<never> {
    throw this.#refused('waitFor', name);
  }

  #refused(what: string, name: string): StepError {
    return new StepError(
      `${this.#task}: ${what}('${name}') in a direct call; no worker runs it, so nothing could end the wait.`,
      name,
    );
  }
}
