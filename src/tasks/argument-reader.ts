/**
 * What a declaration of one argument is compiled to, whatever library it was written with.
 */
import type { Violation } from '../errors.js';

/** What reading one argument gave: its value for the method, or what is wrong with it. */
export interface Reading {
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

/** Reads one argument through its declaration. */
export type ArgumentReader = (value: unknown, path: string) => Reading | Promise<Reading>;
