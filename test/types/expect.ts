/** Type assertions: the file compiles, or the test has failed. */

export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** `expect<Equal<A, B>>()` compiles when A and B are the same type. */
export declare function expect<_T extends true>(): void;
