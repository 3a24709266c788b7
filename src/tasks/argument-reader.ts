/**
 * The compiled form of one argument's declaration, independent of the library it was written with.
 */
import type { Violation } from '../errors.js';

/** The result of reading one argument: its value for the method, or its violations. */
export interface Reading {
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

/** Reads one argument through its declaration. */
export type ArgumentReader = (value: unknown, path: string) => Reading | Promise<Reading>;
