/** What a task gives, in types only: its result, and the chunks of its stream. */

/** Marks the list of a batch, in types only. */
declare const BATCH: unique symbol;

/**
 * The list that the code of a batch gets: an array. As the type of its parameter it says that each call brings one entry,
 * so that handles take nothing else.
 * @example async index(docs: Batch<Doc>): Promise<Result[]> { … }
 */
export type Batch<T> = T[] & { readonly [BATCH]?: T };

/** What one call of a batch gets: an entry of the list that its code returns, or nothing. */
export type ShareIn<R> = Awaited<R> extends infer V ? (V extends readonly (infer E)[] ? E : V) : never;

/** What a call brings to the list `P`; `never` where that is no list of a batch. */
export type ItemOfBatch<P> = typeof BATCH extends keyof P ? (P extends Batch<infer T> ? T : never) : never;

/** What a method returns that yields. */
type Yielding<C, R> = AsyncGenerator<C, R, never> | AsyncIterator<C, R, undefined>;

/** The result of a method or function: what a generator returns. */
export type ResultIn<T> = [T] extends [Yielding<unknown, infer R>] ? R : Awaited<T>;

/** The type of a task's chunks: what a generator yields, and `unknown` for an ordinary task. */
export type ChunkIn<T> = [T] extends [Yielding<infer C, unknown>] ? C : unknown;
