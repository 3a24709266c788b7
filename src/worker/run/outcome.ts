/**
 * How one attempt ended: a closed union, decided once by `execute` and applied once by `settle`.
 */
import type { WireError } from '../../protocol/wire-error.js';
import type { RegisteredTask } from '../../tasks/registry.js';

/** `wire` is what to store of an error that comes from a thread: encoded where it was the real one. */
export type Outcome =
  | { readonly kind: 'success'; readonly value: unknown; readonly encoded: unknown }
  | {
      readonly kind: 'failure';
      readonly error: unknown;
      readonly wire?: WireError;
      /** The task refused itself. */
      readonly rejected?: true;
    }
  | { readonly kind: 'retry'; readonly error: unknown; readonly delayMs: number; readonly wire?: WireError }
  /** The task asked to end without a stored state. */
  | { readonly kind: 'ignore' }
  /** A workflow has taken its place, and will end for it. */
  | { readonly kind: 'replaced'; readonly flow: string }
  /** It will not run: revoked, or expired. */
  | { readonly kind: 'revoked'; readonly reason: string | undefined; readonly expired?: true }
  /** Not now (not due, or nobody here knows it): again later, at no cost to the task. */
  | { readonly kind: 'later'; readonly delayMs: number }
  /** It has a lane and is not in it. */
  | { readonly kind: 'move'; readonly lane: string }
  /** The worker stops: another one takes it from the start. */
  | { readonly kind: 'handBack' }
  /** Another worker may have it by now: nothing may be written. */
  | { readonly kind: 'lost' };

/** The hooks of an ended attempt, to be told once its end is written. */
export interface LateHooks {
  /** Never rejects. */
  run(outcome: Outcome): Promise<void>;
}

/** An ended attempt. */
export interface Execution {
  readonly outcome: Outcome;
  /** Undefined when nobody here knows the task. */
  readonly task: RegisteredTask | undefined;
  readonly runtimeMs: number;
  /** Whether the attempt began. */
  readonly started: boolean;
  /** To be told of the outcome once it is written; few tasks have any. */
  readonly hooks?: LateHooks | undefined;
}

/** How all tasks are counted that nobody here knows: their names are as many as a producer likes. */
export const UNKNOWN_TASK = '(unknown)';
