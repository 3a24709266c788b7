/** What a task gives, in types only: its result, and the chunks of its stream. */

/** What a method returns that yields. */
type Yielding<C, R> = AsyncGenerator<C, R, never> | AsyncIterator<C, R, undefined>;

/** The result of a method or function: what a generator returns. */
export type ResultIn<T> = [T] extends [Yielding<unknown, infer R>] ? R : Awaited<T>;

/** The type of a task's chunks: what a generator yields, and `unknown` for an ordinary task. */
export type ChunkIn<T> = [T] extends [Yielding<infer C, unknown>] ? C : unknown;
