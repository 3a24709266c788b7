/**
 * The port between a call in a caller's transaction and what carries it: the PostgreSQL engine writes the jobs on the
 * caller's connection, an outbox writes down there what is to be done.
 */
import type { Engine } from './broker.js';

/** One call in a caller's transaction: an engine whose writes take effect at the commit, or never. */
export interface TransactedCall {
  readonly engine: Engine;
  /** Writes what is still to be written. Called once, after the call has succeeded. */
  finish(): Promise<void>;
}
