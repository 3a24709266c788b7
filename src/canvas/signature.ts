/**
 * `Signature`: a call that has not been made yet, as an immutable value. It holds its task, the arguments given so
 * far, its options and its callbacks, and converts to JSON and back. Sending is up to the app.
 */
import { type InspectOptions, inspect } from 'node:util';
import { DuplicateTaskError, OptionError } from '../errors.js';
import {
  argumentsOf,
  type CallOptions,
  optionsOf,
  type SendOptions,
  sendOptionsOf,
} from '../options/call-options.js';
import { merge, present } from '../options/merge.js';
import type { AsyncResult } from '../results/async-result.js';
import type { CallTarget } from '../tasks/registry.js';
import { type Callbacks, NO_CALLBACKS, withErrback, withLink } from './callbacks.js';
import { brand } from './composable.js';
import { noteDepth } from './depth.js';
import type { Dispatcher } from './dispatch.js';
import type { Apply, Body, Composable, Errback, Missing, Tails, TaskShape } from './typing.js';

/** A signature as JSON. */
export interface SignatureJson {
  readonly task: string;
  readonly args: readonly unknown[];
  readonly options: Readonly<CallOptions>;
  readonly immutable?: true;
  /** `args` are argument lists: the task runs once with each. */
  readonly each?: true;
  readonly link?: readonly ComposableJson[];
  readonly onError?: readonly ComposableJson[];
}

/** A chain, group or chord as JSON. */
export interface WorkflowJson {
  readonly chain?: readonly ComposableJson[];
  readonly group?: readonly ComposableJson[];
  readonly chord?: { readonly header: readonly ComposableJson[]; readonly body: ComposableJson };
  /** Arguments in front of those of the first steps. */
  readonly args?: readonly unknown[];
  readonly options?: Readonly<CallOptions>;
  readonly link?: readonly ComposableJson[];
  readonly onError?: readonly ComposableJson[];
}

export type ComposableJson = SignatureJson | WorkflowJson;

/** The internals of a signature. */
export interface SignatureParts {
  readonly launcher: Dispatcher;
  readonly target: CallTarget;
  readonly immutable: boolean;
  readonly callbacks: Callbacks;
}

/**
 * @typeParam P the task's parameters
 * @typeParam G the arguments given so far
 * @typeParam R the task's result
 * @typeParam I true if it takes no argument from a previous step
 * @typeParam Y the chunks of the task's stream
 */
export class Signature<
  P extends readonly unknown[] = readonly unknown[],
  G extends readonly unknown[] = readonly unknown[],
  R = unknown,
  I extends boolean = boolean,
  Y = unknown,
> implements TaskShape
{
  declare readonly '~result': R;
  declare readonly '~task': { readonly params: P; readonly given: G; readonly immutable: I };
  readonly #parts: SignatureParts;
  /** The arguments given so far. */
  readonly args: G;
  readonly options: Readonly<CallOptions>;

  /** Created by handles and `app.signature`. */
  constructor(parts: SignatureParts, args: G, options: Readonly<CallOptions> = {}) {
    this.#parts = parts;
    // Copied, so that callers may change what they passed in.
    this.args = Object.freeze([...argumentsOf(args, parts.target.name)]) as unknown as G;
    const { link, linkError, ...rest } = options;
    this.options = Object.freeze(present(rest));
    if (link !== undefined || linkError !== undefined) {
      const callbacks = withErrback(withLink(parts.callbacks, link), linkError);
      this.#parts = { ...parts, callbacks };
    }
    const { callbacks } = this.#parts;
    if (callbacks !== NO_CALLBACKS) noteDepth(this, callbacks.links, callbacks.errbacks);
    Object.freeze(this);
  }

  /** The task's name. */
  get task(): string {
    return this.#parts.target.name;
  }

  /** True if it takes no argument from a previous step (Celery: `si`). */
  get immutable(): boolean {
    return this.#parts.immutable;
  }

  /** A copy with these options on top. */
  set(options: CallOptions): Signature<P, G, R, I, Y> {
    return new Signature(
      this.#parts,
      this.args,
      merge<CallOptions>(this.options, optionsOf(options, this.task)),
    );
  }

  /** A copy with these arguments in front of the existing ones. */
  clone<const X extends readonly unknown[]>(args: X): Signature<P, [...X, ...G], R, I, Y> {
    return new Signature(this.#parts, [...argumentsOf(args, this.task), ...this.args], this.options);
  }

  /** A copy with these arguments instead of the existing ones (Celery: `replace(args=…)`). */
  withArgs<const X extends I extends true ? P : P | Tails<P>>(...args: X): Signature<P, X, R, I, Y> {
    if (this.#parts.target.each)
      throw new OptionError(
        `${this.task}: this signature runs once with each of its lists of arguments. Make another with map or starmap.`,
      );
    return new Signature(this.#parts, args, this.options);
  }

  /** A copy with a link: called with the result once the task has succeeded. */
  link<const C extends Composable>(callback: C & Body<C, R>): Signature<P, G, R, I, Y> {
    return new Signature(
      { ...this.#parts, callbacks: withLink(this.#parts.callbacks, callback as C) },
      this.args,
      this.options,
    );
  }

  /** A copy with an errback: called with `(request, error)` once the task has failed for good (Celery: `on_error`). */
  onError<const C extends Composable>(errback: C & Errback<C>): Signature<P, G, R, I, Y> {
    return new Signature(
      { ...this.#parts, callbacks: withErrback(this.#parts.callbacks, errback as C) },
      this.args,
      this.options,
    );
  }

  /** Sends the call, with these arguments in front. */
  delay(...args: Missing<P, G>): Promise<AsyncResult<R, Y>> {
    return this.#send(args, undefined);
  }

  /** Sends the call, with these arguments in front (none if immutable) and these options on top. */
  applyAsync(...given: Apply<Missing<P, G>, SendOptions>): Promise<AsyncResult<R, Y>> {
    const [args, options] = given as readonly [args?: readonly unknown[], options?: SendOptions];
    return this.#send(args, options);
  }

  async #send(
    args: readonly unknown[] | undefined,
    options: SendOptions | undefined,
  ): Promise<AsyncResult<R, Y>> {
    const { launcher, target, callbacks, immutable } = this.#parts;
    const front = argumentsOf(args, target.name);
    const own = sendOptionsOf(options, target.name);
    const all = immutable ? this.args : [...front, ...this.args];
    if (callbacks === NO_CALLBACKS)
      return launcher.send<R, Y>(target, all, merge<SendOptions>(this.options, own));
    return launcher.launch(this as Composable, front, own) as Promise<AsyncResult<R, Y>>;
  }

  toJSON(): SignatureJson {
    const { links, errbacks } = this.#parts.callbacks;
    return {
      task: this.task,
      args: this.args,
      options: plainOptions(this.options),
      ...(this.immutable && { immutable: true as const }),
      ...(this.#parts.target.each && { each: true as const }),
      ...(links.length > 0 && { link: links.map((link) => link.toJSON() as ComposableJson) }),
      ...(errbacks.length > 0 && { onError: errbacks.map((errback) => errback.toJSON() as ComposableJson) }),
    };
  }

  /** The text that `console.log(signature)` prints. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const args = this.args.map((arg) => inspect(arg, options)).join(', ');
    const own =
      Object.keys(this.options).length === 0 ? '' : ` ${inspect(plainOptions(this.options), options)}`;
    return `Signature ${this.task}(${args})${own}`;
  }

  /** The internals, for the sending side only. */
  static partsOf(signature: Signature): SignatureParts {
    return signature.#parts;
  }
}

/** Options for JSON and for people: a serializer is its name, since it may hold a key. */
function plainOptions<O extends CallOptions>(options: O): O {
  const { serializer } = options;
  return typeof serializer === 'object' ? { ...options, serializer: serializer.name } : options;
}

brand(Signature);

/** @throws {DuplicateTaskError} when two signatures have the same `taskId` */
export function refuseTwins(signatures: readonly Signature[]): void {
  const ids = new Set<string>();
  for (const { options } of signatures) {
    const { taskId } = options;
    if (taskId === undefined) continue;
    if (ids.has(taskId))
      throw new DuplicateTaskError(
        `The task id "${taskId}" is given to two of the signatures; nothing was sent.`,
        taskId,
      );
    ids.add(taskId);
  }
}

export { NO_CALLBACKS };
