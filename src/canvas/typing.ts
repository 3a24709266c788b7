/**
 * The type checks of compositions, in types only: the result of a composition, whether a step accepts the result
 * before it, and which arguments a workflow still lacks. A misfit is replaced by an error type, so that its call does
 * not compile.
 */

/** The remaining argument lists when the first argument comes from a previous step. */
export type Tails<P extends readonly unknown[]> = P extends readonly []
  ? []
  : P extends readonly [unknown?, ...infer T]
    ? number extends P['length']
      ? P extends readonly [unknown, ...infer U]
        ? U | Tails<U>
        : P
      : T | Tails<T>
    : [];

/** The arguments still missing in front of those given so far; none if all are given. */
export type Missing<P extends readonly unknown[], G extends readonly unknown[]> = number extends P['length']
  ? readonly unknown[]
  : G extends readonly []
    ? P
    : (G extends P ? [] : never) | WithoutLast<Required<P>, G>;

/** `P` without its last elements, as many as `G` has. */
type WithoutLast<P extends readonly unknown[], G extends readonly unknown[]> = G extends readonly [
  unknown,
  ...infer Rest,
]
  ? P extends readonly [...infer Front, unknown]
    ? WithoutLast<Front, Rest>
    : []
  : P;

/** Any part of a workflow, by its result. */
export interface Composable<R = unknown> {
  /** Types only: absent at run time. */
  readonly '~result': R;
  toJSON(): unknown;
}

/** Types only, for a signature: parameters, given arguments, and whether it takes none from a previous step. */
export interface TaskShape<P = unknown, G = unknown, I extends boolean = boolean> extends Composable {
  readonly '~task': { readonly params: P; readonly given: G; readonly immutable: I };
}
export interface ChainShape<S extends readonly unknown[] = readonly unknown[]> extends Composable {
  readonly '~chain': S;
}
export interface GroupShape<M extends readonly unknown[] = readonly unknown[]> extends Composable {
  readonly '~group': M;
}
export interface ChordShape<H extends readonly unknown[] = readonly unknown[]> extends Composable {
  readonly '~chord': H;
}

/** The result of one node. */
export type Out<N> = N extends { readonly '~result': infer R } ? R : never;

/** The results of a group's members; those of a nested group are spliced in. */
export type Outs<M extends readonly unknown[]> = M extends readonly []
  ? []
  : M extends readonly [infer F, ...infer T]
    ? F extends { readonly '~group': infer GM extends readonly unknown[] }
      ? [...Outs<GM>, ...Outs<T>]
      : [Out<F>, ...Outs<T>]
    : OutOfMember<M[number]>[];

type OutOfMember<N> = N extends { readonly '~group': infer GM extends readonly unknown[] }
  ? Outs<GM>[number]
  : Out<N>;

/** The result of a chain: that of its last step. */
export type LastOut<S extends readonly unknown[]> = S extends readonly [...unknown[], infer L]
  ? Out<L>
  : Out<S[number]>;

/** The arguments that a node still lacks: the parameters of `delay`. */
export type Lacking<N> = N extends { readonly '~task': infer T }
  ? T extends {
      readonly params: infer P extends readonly unknown[];
      readonly given: infer G extends readonly unknown[];
      readonly immutable: infer I;
    }
    ? I extends true
      ? []
      : Missing<P, G>
    : readonly unknown[]
  : N extends { readonly '~chain': infer S extends readonly unknown[] }
    ? LackingFirst<S>
    : N extends { readonly '~group': infer M extends readonly unknown[] }
      ? LackingAll<M>
      : N extends { readonly '~chord': infer H extends readonly unknown[] }
        ? LackingAll<H>
        : readonly unknown[];

type LackingFirst<S extends readonly unknown[]> = S extends readonly []
  ? []
  : S extends readonly [infer F, ...unknown[]]
    ? Lacking<F>
    : Lacking<S[number]>;

/** The arguments that all members lack, since all receive them; immutable members are ignored. */
type LackingAll<M extends readonly unknown[]> = M extends readonly []
  ? []
  : M extends readonly [infer F, ...infer T]
    ? T extends readonly []
      ? Lacking<F>
      : IsImmutable<F> extends true
        ? LackingAll<T>
        : AreImmutable<T> extends true
          ? Lacking<F>
          : Both<Lacking<F>, LackingAll<T>>
    : Lacking<M[number]>;

type IsImmutable<N> = N extends { readonly '~task': { readonly immutable: infer I } }
  ? I extends true
    ? true
    : false
  : false;

type AreImmutable<M extends readonly unknown[]> = M extends readonly [infer F, ...infer T]
  ? IsImmutable<F> extends true
    ? AreImmutable<T>
    : false
  : true;

/** The argument lists common to both; if there are none, a list that cannot be passed. */
type Both<A extends readonly unknown[], B extends readonly unknown[]> = [
  Extract<A, B> | Extract<B, A>,
] extends [never]
  ? [DoesNotFit<A, B>]
  : Extract<A, B> | Extract<B, A>;

/** The parameters of `applyAsync` for these missing arguments; the list is optional if none are missing. */
export type Apply<Args extends readonly unknown[], Options> = [] extends Args
  ? [args?: Args | undefined, options?: Options | undefined]
  : [args: Args, options?: Options | undefined];

/** Replaces a signature that cannot be sent as it is. */
export interface LacksArguments<Lacks> {
  readonly '~celeriac': 'it lacks arguments';
  readonly lacks: Lacks;
}

/** A signature or workflow that has all its arguments. */
export type Complete<N> = N extends unknown
  ? [] extends Lacking<N>
    ? N
    : LacksArguments<Lacking<N>>
  : never;

type Fit = true;

/** Replaces a step that does not fit. */
export interface DoesNotFit<Got, Wants> {
  readonly '~celeriac': 'the result of the step before does not fit';
  readonly got: Got;
  readonly wants: Wants;
}

/** Whether a node accepts `V`, the result before it. */
export type Link<N, V> = N extends { readonly '~task': infer T }
  ? T extends {
      readonly params: infer P extends readonly unknown[];
      readonly given: infer G extends readonly unknown[];
      readonly immutable: infer I;
    }
    ? I extends true
      ? Fit
      : readonly [V, ...G] extends Readonly<P>
        ? Fit
        : DoesNotFit<[V, ...G], P>
    : Fit
  : N extends { readonly '~chain': infer S extends readonly unknown[] }
    ? S extends readonly [infer F, ...unknown[]]
      ? Link<F, V>
      : Fit
    : N extends { readonly '~group': infer M extends readonly unknown[] }
      ? AllLink<M, V>
      : N extends { readonly '~chord': infer H extends readonly unknown[] }
        ? AllLink<H, V>
        : Fit;

type AllLink<M extends readonly unknown[], V> = M extends readonly []
  ? Fit
  : M extends readonly [infer F, ...infer T]
    ? Link<F, V> extends Fit
      ? AllLink<T, V>
      : Link<F, V>
    : Link<M[number], V>;

/** Steps, each checked against the previous one. */
export type Steps<S extends readonly unknown[]> = {
  [K in keyof S]: K extends `${infer I extends number}`
    ? I extends 0
      ? S[K]
      : Link<S[K], Out<S[Before<I>]>> extends Fit
        ? S[K]
        : Link<S[K], Out<S[Before<I>]>>
    : S[K];
};

/** The check of a list of steps: step by step if the steps are known. */
export type StepList<S> = S extends readonly unknown[] ? Steps<S> : unknown;

/** The steps of a list, as far as the types are known. */
export type StepsOf<S> = S extends readonly unknown[] ? S : S extends Iterable<infer N> ? N[] : never;

/** One link or several, checked against the value they receive. */
export type LinkOption<L, V> = L extends Iterable<infer C> ? Iterable<Body<C, V>> : Body<L, V>;

/** One errback or several. */
export type ErrbackOption<E> = E extends Iterable<infer C> ? Iterable<Errback<C>> : Errback<E>;

/** An errback, checked to accept the request, the error and then its own arguments. */
export type Errback<N> = N extends { readonly '~task': infer T }
  ? T extends {
      readonly params: infer P extends readonly unknown[];
      readonly given: infer G extends readonly unknown[];
      readonly immutable: infer I;
    }
    ? I extends true
      ? N
      : TakesBlame<P, G> extends true
        ? N
        : DoesNotFit<[request: object, error: Error, ...own: G], P>
    : N
  : N;

type TakesBlame<P extends readonly unknown[], G extends readonly unknown[]> =
  readonly [
    P[0],
    Error extends P[1] ? P[1] : P[1] extends Error | undefined ? P[1] : Error,
    ...G,
  ] extends Readonly<P>
    ? true
    : [G['length'], P['length']] extends [0, 0 | 1]
      ? true
      : false;

/** The body of a chord, checked against its header's results. */
export type Body<B, V> = Link<B, V> extends Fit ? B : Link<B, V>;

type Before<I extends number> = Count<I> extends [unknown, ...infer T] ? T['length'] : never;
type Count<N extends number, A extends unknown[] = []> = A['length'] extends N
  ? A
  : Count<N, [...A, unknown]>;
