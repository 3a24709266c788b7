/**
 * The fields of a workflow's record, and what they mean. Pure. Each part writes its field once, named by its path,
 * when it has ended. `!<path>` marks a failed group or chain, `n:<path>` counts a group's ended members,
 * `x:<path>:<n>` is a member added to it, `p:<path>` the workflow that replaces a task.
 *
 *   a task succeeded          {"s": value}
 *   and ended its workflow    {"s": value, "e": true}
 *   a task failed             {"f": {id, name, error}}
 *   a task was revoked        {"r": reason, "f": …}
 *   a chain ended             {"at": path of the part that gave its value}
 *   a group ended             {"g": number of members}
 *   a part failed inside      {"x": path of the failed task}
 *   a task was ignored        {"i": true}
 */
import { CLOSED, REVOKED, type WorkflowWrite } from '../../broker/broker.js';
import type { WireError } from '../../protocol/wire-error.js';

/** A failed task, as the parts after it show it. */
export interface FailureCause {
  readonly id: string;
  readonly name: string;
  readonly error: WireError;
  /** When it failed, epoch ms. */
  readonly t: number;
}

/** The end of a task that succeeded; `e`: the workflow is to end with it. */
export interface Success {
  readonly s: unknown;
  readonly e?: true;
}

/** How a part ended. */
export type Ending =
  | Success
  | { readonly f: FailureCause; readonly r?: string | null }
  | { readonly at: string }
  | { readonly g: number }
  | { readonly x: string }
  | { readonly i: true };

/** The failure of a chain or group, by its first failed task. */
export interface Failing {
  /** The failed task's path. */
  readonly at: string;
  /** Index of the step or member that failed. */
  readonly i: number;
  /** The kind of the failed part. */
  readonly in: 'chain' | 'group';
  /** True if the failed step was a group: the next one is the body of a chord. */
  readonly chord?: true;
  /** True if it did not fail, but ended without a result because a task was ignored. */
  readonly ignored?: true;
  /** Set if it did not fail: a task ended the part at this path, this one or one around it, with its own value. */
  readonly ended?: string;
  readonly f: FailureCause;
}

export const failedField = (path: string): string => `${CLOSED}${path}`;
export const countField = (path: string): string => `n:${path}`;
/** Counts the members added to a group, beside the counter of ended ones. */
export const extraField = (path: string): string => `${countField(path)}+`;
export const addedField = (path: string, ordinal: number): string => `x:${path}:${ordinal}`;
export const replacedField = (path: string): string => `p:${path}`;
/** Since when a part's job is missing, epoch ms. */
export const missingField = (path: string): string => `g:${path}`;
/**
 * Set to forget the workflow at its end. It is the companion of the counter that the end writes, so the end sees it.
 */
export const FORGET = extraField(CLOSED);

/** From when on the record counts as gone, though part of the workflow may still use it: epoch ms. */
export const UNTIL = 'until';

/** Makes the workflow's outcome final. */
export const CLOSE: WorkflowWrite = {
  field: CLOSED,
  value: JSON.stringify({ end: true }),
  counter: countField(CLOSED),
};

export function readEnding(text: string | undefined): Ending | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Ending);
}

export function readFailing(text: string | undefined): Failing | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as Failing);
}

/** The revocation of a workflow. */
export interface FlowRevocation {
  readonly reason: string | undefined;
  /** When it was revoked, epoch ms. */
  readonly at: number | undefined;
  /** The parts that ran at that time and go on, by path, each with the number of its delivery. */
  readonly running: ReadonlyMap<string, number>;
}

/** The write that records a revocation. */
export function revocation({ reason, at, running }: FlowRevocation): WorkflowWrite {
  return {
    field: REVOKED,
    value: JSON.stringify({
      r: reason ?? null,
      t: at,
      ...(running.size > 0 && { s: Object.fromEntries(running) }),
    }),
  };
}

/** The revocation in a record's field, if any. */
export function revocationIn(text: string | undefined): FlowRevocation | undefined {
  if (text === undefined) return undefined;
  const { r, t, s = {} } = JSON.parse(text) as { r: string | null; t?: number; s?: Record<string, number> };
  return { reason: r ?? undefined, at: t, running: new Map(Object.entries(s)) };
}

/** The failure of a chain, as seen from a later step. */
export interface SharedFailing {
  readonly failing: Failing;
  /** True for the body of the chord whose header failed, and for its parts. */
  readonly body: boolean;
  /** True for the body itself, not for its parts: its errbacks are called. */
  readonly itself: boolean;
}

/**
 * The failure that a part shares: that of a chain around it, which failed in an earlier step.
 * @param failings of the parts around it, innermost first
 */
export function sharedFailing(
  path: string,
  failings: readonly { readonly path: string; readonly failing: Failing }[],
): SharedFailing | undefined {
  for (const { path: around, failing } of failings) {
    if (failing.in !== 'chain') continue;
    const step = Number.parseInt(path.slice(around.length + 1), 10);
    if (step <= failing.i) continue;
    const body = failing.chord === true && step === failing.i + 1;
    return { failing, body, itself: body && path === `${around}.${step}` };
  }
  return undefined;
}
