/**
 * `chain`, `group` and `chord`: compositions of signatures. Like a signature, a composition is an immutable value. It
 * may be nested to any depth, and becomes one workflow when it is sent.
 */
import { type InspectOptions, inspect } from 'node:util';
import { CeleriacError } from '../errors.js';
import {
  argumentsOf,
  type CallOptions,
  optionsOf,
  type SendOptions,
  sendOptionsOf,
} from '../options/call-options.js';
import { merge } from '../options/merge.js';
import type { AsyncResult } from '../results/async-result.js';
import { GroupResult } from '../results/group-result.js';
import { type Callbacks, NO_CALLBACKS, withErrback, withLink } from './callbacks.js';
import { brand, notComposable } from './composable.js';
import { noteDepth } from './depth.js';
import type { Dispatcher } from './dispatch.js';
import { type ComposableJson, Signature, type WorkflowJson } from './signature.js';
import type {
  Apply,
  Body,
  ChainShape,
  ChordShape,
  Composable,
  Errback,
  GroupShape,
  Lacking,
  LastOut,
  Out,
  Outs,
  StepList,
  Steps,
  StepsOf,
} from './typing.js';

/** What chains, groups and chords share. */
interface Composed<Self, R, Result> extends Composable<R> {
  /** A copy with these options on top; countdown, eta and queue apply to the tasks that begin first. */
  set(options: CallOptions): Self;
  /** A copy with these arguments in front of those of the tasks that begin first. */
  clone(args: readonly unknown[]): Self;
  /**
   * A copy with a link: called with the result, once, when the whole has succeeded. A link that does not accept the
   * result does not compile.
   */
  link<const C extends Composable>(callback: C & Body<C, R>): Self;
  /** A copy with an errback: called with `(request, error)`, once, when any part has failed for good. */
  onError<const C extends Composable>(errback: C & Errback<C>): Self;
  /** Sends the workflow, with these arguments in front. Resolves when the broker has it. */
  delay(...args: Lacking<Self>): Promise<Result>;
  /** Sends the workflow, with these arguments in front and these options on top. */
  applyAsync(...given: Apply<Lacking<Self>, SendOptions>): Promise<Result>;
  toJSON(): WorkflowJson;
}

/** Steps in sequence; each begins with the result of the previous one. */
export interface Chain<S extends readonly unknown[] = readonly Composable[]>
  extends ChainShape<S>,
    Composed<Chain<S>, LastOut<S>, AsyncResult<LastOut<S>>> {
  readonly '~result': LastOut<S>;
  toJSON(): WorkflowJson;
}

/** Members that run in parallel. */
export interface Group<M extends readonly unknown[] = readonly Composable[]>
  extends GroupShape<M>,
    Composed<Group<M>, Outs<M>, GroupResult<Outs<M>>> {
  readonly '~result': Outs<M>;
  toJSON(): WorkflowJson;
}

/** A group, and a body that receives the list of its results. */
export interface Chord<H extends readonly unknown[] = readonly Composable[], R = unknown>
  extends ChordShape<H>,
    Composed<Chord<H, R>, R, AsyncResult<R>> {
  readonly '~result': R;
  toJSON(): WorkflowJson;
}

/**
 * Runs steps in sequence, each with the previous result as its first argument (`si` takes none).
 * @throws {CeleriacError} without a step
 * @example chain(fetchPage.s(url), group(parse.s(), thumbnail.s()), summarise.s())
 */
export function chain<const S extends readonly Composable[]>(...steps: Steps<S> & S): Chain<S>;
export function chain<const S extends Iterable<Composable>>(steps: S & StepList<S>): Chain<StepsOf<S>>;
export function chain(...given: readonly unknown[]): Chain {
  const steps = listOf(given, 'chain');
  if (steps.length === 0)
    throw new CeleriacError('chain() has no step: there is nothing to run and no result to wait for.');
  return new Workflow({ kind: 'chain', steps }) as unknown as Chain;
}

/** Runs members in parallel; the results keep the order of the members. */
export function group<const M extends readonly Composable[]>(...members: M): Group<M>;
export function group<const M extends readonly Composable[]>(members: M): Group<M>;
export function group<N extends Composable>(members: Iterable<N>): Group<N[]>;
export function group(...given: readonly unknown[]): Group {
  return new Workflow({ kind: 'group', members: listOf(given, 'group') }) as unknown as Group;
}

/**
 * Runs `body` with the ordered list of the header's results, once all are there. An empty header gives `[]`.
 * @example chord(urls.map((url) => fetchPage.s(url)), summarise.s())
 */
export function chord<const H extends readonly Composable[], B extends Composable>(
  header: H,
  body: B & Body<B, Outs<H>>,
): Chord<H, Out<B>>;
export function chord<M extends readonly unknown[], B extends Composable>(
  header: GroupShape<M>,
  body: B & Body<B, Outs<M>>,
): Chord<M, Out<B>>;
export function chord<N extends Composable, B extends Composable>(
  header: Iterable<N>,
  body: B & Body<B, Out<N>[]>,
): Chord<N[], Out<B>>;
export function chord(header: unknown, body: unknown): Chord {
  const members = header instanceof Workflow ? [header as unknown as Composable] : listOf([header], 'chord');
  const [checked] = listOf([[body]], 'chord');
  return new Workflow({ kind: 'chord', members, body: checked as Composable }) as unknown as Chord;
}

/** The content of a composition. */
export type Content =
  | { readonly kind: 'chain'; readonly steps: readonly Composable[] }
  | { readonly kind: 'group'; readonly members: readonly Composable[] }
  | { readonly kind: 'chord'; readonly members: readonly Composable[]; readonly body: Composable };

/** The one class behind chains, groups and chords. */
export class Workflow {
  constructor(
    readonly content: Content,
    readonly front: readonly unknown[] = [],
    readonly options: Readonly<CallOptions> = {},
    readonly callbacks: Callbacks = NO_CALLBACKS,
  ) {
    noteDepth(this, partsOf(content), callbacks.links, callbacks.errbacks);
    Object.freeze(this);
  }

  set(options: CallOptions): Workflow {
    const { link, linkError, ...rest } = optionsOf(options, this.content.kind);
    const callbacks = withErrback(withLink(this.callbacks, link), linkError);
    return new Workflow(this.content, this.front, merge<CallOptions>(this.options, rest), callbacks);
  }

  clone(args: readonly unknown[]): Workflow {
    const front = argumentsOf(args, this.content.kind);
    return new Workflow(this.content, [...front, ...this.front], this.options, this.callbacks);
  }

  link(callback: Composable): Workflow {
    return new Workflow(this.content, this.front, this.options, withLink(this.callbacks, callback));
  }

  onError(errback: Composable): Workflow {
    return new Workflow(this.content, this.front, this.options, withErrback(this.callbacks, errback));
  }

  delay(...args: readonly unknown[]): Promise<unknown> {
    return this.applyAsync(args);
  }

  async applyAsync(args?: readonly unknown[], options?: SendOptions): Promise<unknown> {
    const { kind } = this.content;
    const front = argumentsOf(args, kind);
    const own = sendOptionsOf(options, kind);
    const launcher = launcherOf(this as unknown as Composable);
    // Nothing to run, and no app to send it by: the result is an empty list.
    if (launcher === undefined) return GroupResult.empty();
    return launcher.launch(this as unknown as Composable, front, own);
  }

  /** The text that `console.log(workflow)` prints. */
  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { content } = this;
    switch (content.kind) {
      case 'chain':
        return `chain ${inspect(content.steps, options)}`;
      case 'group':
        return `group ${inspect(content.members, options)}`;
      case 'chord':
        return `chord ${inspect(content.members, options)} body ${inspect(content.body, options)}`;
    }
  }

  toJSON(): WorkflowJson {
    const { links, errbacks } = this.callbacks;
    return {
      ...contentJson(this.content),
      ...(this.front.length > 0 && { args: this.front }),
      ...(Object.keys(this.options).length > 0 && { options: this.options }),
      ...(links.length > 0 && { link: links.map(jsonOf) }),
      ...(errbacks.length > 0 && { onError: errbacks.map(jsonOf) }),
    };
  }
}

brand(Workflow);

function contentJson(content: Content): WorkflowJson {
  switch (content.kind) {
    case 'chain':
      return { chain: content.steps.map(jsonOf) };
    case 'group':
      return { group: content.members.map(jsonOf) };
    case 'chord':
      return { chord: { header: content.members.map(jsonOf), body: jsonOf(content.body) } };
  }
}

function jsonOf(node: Composable): ComposableJson {
  return node.toJSON() as ComposableJson;
}

function partsOf(content: Content): readonly Composable[] {
  switch (content.kind) {
    case 'chain':
      return content.steps;
    case 'group':
      return content.members;
    case 'chord':
      return [...content.members, content.body];
  }
}

/** The app that sends a composition: that of its first signature. */
function launcherOf(node: Composable): Dispatcher | undefined {
  if (node instanceof Signature) return Signature.partsOf(node as Signature).launcher;
  if (!(node instanceof Workflow)) return undefined;
  const { content, callbacks } = node as Workflow;
  // A group without members finds the app through its callbacks.
  for (const child of [...partsOf(content), ...callbacks.links, ...callbacks.errbacks]) {
    const launcher = launcherOf(child);
    if (launcher !== undefined) return launcher;
  }
  return undefined;
}

/** Accepts arguments, or one iterable of them. */
function listOf(given: readonly unknown[], where: string): Composable[] {
  const [only] = given;
  const list = given.length === 1 && isIterable(only) ? [...only] : [...given];
  for (const [i, node] of list.entries()) {
    if (node instanceof Signature || node instanceof Workflow) continue;
    throw notComposable(`${where}(): part ${i + 1}`, node);
  }
  return list as Composable[];
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
