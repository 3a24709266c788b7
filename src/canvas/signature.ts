/**
 * `Signature`: a call that has not been made yet, as an immutable value. It knows its task, the arguments given so far
 * and its options, and becomes JSON and back; sending it is the app's business.
 */
import type { CallOptions } from '../options/call-options.js';
import type { AsyncResult } from '../results/async-result.js';
import type { CallTarget } from '../tasks/registry.js';
import type { Sender } from './sender.js';

/** The argument lists left when a first argument comes from somewhere else: a previous step. */
export type Tails<P extends readonly unknown[]> = P extends readonly []
  ? []
  : P extends readonly [unknown?, ...infer T]
    ? number extends P['length']
      ? P extends readonly [unknown, ...infer U]
        ? U | Tails<U>
        : P
      : T | Tails<T>
    : [];

/** What can be put in front of the arguments given so far: nothing where they are all, else the ones before them. */
export type Missing<P extends readonly unknown[], G extends readonly unknown[]> = number extends P['length']
  ? readonly unknown[]
  : G extends readonly []
    ? P
    : (G extends P ? [] : never) | WithoutLast<Required<P>, G>;

/** `P` without as many of its last elements as `G` has. */
type WithoutLast<P extends readonly unknown[], G extends readonly unknown[]> = G extends readonly [
  unknown,
  ...infer Rest,
]
  ? P extends readonly [...infer Front, unknown]
    ? WithoutLast<Front, Rest>
    : []
  : P;

/** A signature as JSON. */
export interface SignatureJson {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly options: Readonly<CallOptions>;
  readonly immutable?: true;
}

/**
 * @typeParam P the task's parameters
 * @typeParam G the arguments given so far
 * @typeParam R the task's result
 */
export class Signature<
  P extends readonly unknown[] = readonly unknown[],
  G extends readonly unknown[] = readonly unknown[],
  R = unknown,
> {
  readonly #sender: Sender;
  readonly #target: CallTarget;
  /** The arguments given so far. */
  readonly args: G;
  readonly options: Readonly<CallOptions>;

  constructor(
    sender: Sender,
    target: CallTarget,
    args: G,
    options: Readonly<CallOptions> = {},
    /** Takes no argument from a previous step (Celery: `si`). */
    readonly immutable = false,
  ) {
    this.#sender = sender;
    this.#target = target;
    // Copies: what a caller handed in stays the caller's, to change as they like.
    this.args = Object.freeze([...args]) as unknown as G;
    this.options = Object.freeze({ ...options });
    Object.freeze(this);
  }

  /** The task's name. */
  get task(): string {
    return this.#target.name;
  }

  /** A copy with these options on top. */
  set(options: CallOptions): Signature<P, G, R> {
    return new Signature(
      this.#sender,
      this.#target,
      this.args,
      { ...this.options, ...options },
      this.immutable,
    );
  }

  /** A copy with these arguments in front of the ones it has. */
  clone<const X extends readonly unknown[]>(args: X): Signature<P, [...X, ...G], R> {
    return new Signature(this.#sender, this.#target, [...args, ...this.args], this.options, this.immutable);
  }

  /** Sends it, with these arguments in front. */
  delay(...args: Missing<P, G>): Promise<AsyncResult<R>> {
    return this.applyAsync(args);
  }

  /** Sends it, with these arguments in front and these options on top. */
  applyAsync(args: readonly unknown[] = [], options: CallOptions = {}): Promise<AsyncResult<R>> {
    return this.#sender.send<R>(this.#target, [...args, ...this.args], { ...this.options, ...options });
  }

  toJSON(): SignatureJson {
    return {
      task: this.task,
      args: this.args,
      options: this.options,
      ...(this.immutable && { immutable: true as const }),
    };
  }
}
