/**
 * How one attempt ended: a closed union, decided once by `execute` and applied once by `settle`.
 */
import type { TrailEntry } from '../../coordination/trail.js';
import type { WaitingFor } from '../../protocol/waiting.js';
import type { WireError } from '../../protocol/wire-error.js';
import type { RetryChange } from '../../queue/settlement.js';
import type { CalledTask } from '../../tasks/context.js';
import type { RegisteredTask } from '../../tasks/registry.js';

/** `wire` is what to store of an error from a thread: encoded there, from the original. */
export type Outcome =
  | {
      readonly kind: 'success';
      readonly value: unknown;
      readonly encoded: unknown;
      /** The task ends its workflow with this value. */
      readonly ends?: true;
    }
  | {
      readonly kind: 'failure';
      readonly error: unknown;
      readonly wire?: WireError;
      /** The task rejected itself. */
      readonly rejected?: true;
    }
  | {
      readonly kind: 'retry';
      readonly error: unknown;
      readonly delayMs: number;
      readonly wire?: WireError;
      /** What the next attempt has other than this one. */
      readonly change?: RetryChange;
    }
  /** The task put itself back: it runs again after a pause, without an attempt being counted. */
  | { readonly kind: 'requeue'; readonly reason: string; readonly delayMs: number }
  /** The attempt goes on later: when the first sleep or timeout is over, or a value was sent. */
  | {
      readonly kind: 'wait';
      readonly waits: readonly WaitingFor[];
      readonly delayMs: number;
      /** How long the attempt has run, over all its stretches, ms. */
      readonly ranMs: number;
    }
  /** The task asked to end without a stored state. */
  | { readonly kind: 'ignore' }
  /** A workflow has replaced the task, and ends on its behalf. */
  | { readonly kind: 'replaced'; readonly flow: string }
  /** The task will not run: revoked, or expired. */
  | { readonly kind: 'revoked'; readonly reason: string | undefined; readonly expired?: true }
  /** The task cannot run now: tried again later, without an attempt being counted. `yields`: this worker cannot run it. */
  | { readonly kind: 'later'; readonly delayMs: number; readonly yields?: true }
  /** The task has a lane and was not fetched from it. */
  | { readonly kind: 'move'; readonly lane: string }
  /** The worker stops: another one runs the task from the start. */
  | { readonly kind: 'handBack' }
  /** Another worker may run the task by now: nothing may be written. */
  | { readonly kind: 'lost' };

/** The hooks of an ended attempt, to run once its end is written. */
export interface LateHooks {
  /** Never rejects. */
  run(outcome: Outcome): Promise<void>;
}

/** An ended attempt. */
export interface Execution {
  readonly outcome: Outcome;
  /** Undefined when the task is unknown here. */
  readonly task: RegisteredTask | undefined;
  readonly runtimeMs: number;
  /** Whether the attempt began. */
  readonly started: boolean;
  /** Hooks to run once the outcome is written; few tasks have any. */
  readonly hooks?: LateHooks | undefined;
  /** What the attempt has called; undefined if nothing. */
  readonly trail?: readonly TrailEntry[] | undefined;
  /** The same as results, where it ran in this process. */
  readonly children?: readonly CalledTask[];
  /** Whether the attempt wrote chunks of a stream. */
  readonly streamed?: boolean;
}

/** The name under which all unknown tasks are counted: producers can invent any number of names. */
export const UNKNOWN_TASK = '(unknown)';
