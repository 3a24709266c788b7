/**
 * What is written into a workflow's record as it goes, and what that means. Pure. Each part writes its field once, by its
 * path, when it has ended; `!<path>` says that a group or chain has failed, `n:<path>` counts a group's ended members,
 * `x:<path>:<n>` is a member that was added to it, `p:<path>` the workflow that takes a task's place.
 *
 *   a task ended well         {"s": value}
 *   a task failed             {"f": {id, name, error}}
 *   a task was revoked        {"r": reason, "f": …}
 *   a chain ended             {"at": path of what gave its value}
 *   a group ended             {"g": number of members}
 *   a part failed inside      {"x": path of the failed task}
 *   a task was ignored        {"i": true}
 */
import { CLOSED, REVOKED, type WorkflowWrite } from '../../broker/broker.js';
import type { WireError } from '../../protocol/wire-error.js';

/** A failed task, as those after it show it. */
export interface FailureCause {
  readonly id: string;
  readonly name: string;
  readonly error: WireError;
  /** When, epoch ms. */
  readonly t: number;
}

/** How a part ended. */
export type Ending =
  | { readonly s: unknown }
  | { readonly f: FailureCause; readonly r?: string | null }
  | { readonly at: string }
  | { readonly g: number }
  | { readonly x: string }
  | { readonly i: true };

/** That a chain or group has failed, by its first failed task. */
export interface Failing {
  /** The failed task's path. */
  readonly at: string;
  /** The step or member it was in. */
  readonly i: number;
  /** What has failed. */
  readonly in: 'chain' | 'group';
  /** The step was a group: the next one is the body of a chord. */
  readonly chord?: true;
  /** It has not failed, but ended without a result, as a task of it wished. */
  readonly ignored?: true;
  readonly f: FailureCause;
}

export const failedField = (path: string): string => `${CLOSED}${path}`;
export const countField = (path: string): string => `n:${path}`;
/** How many members were added to a group: what a counter's companion counts. */
export const extraField = (path: string): string => `${countField(path)}+`;
export const addedField = (path: string, ordinal: number): string => `x:${path}:${ordinal}`;
export const replacedField = (path: string): string => `p:${path}`;
/** Since when a part's job is missing, epoch ms. */
export const missingField = (path: string): string => `g:${path}`;
/** That the workflow is to be forgotten at its end: the companion of what its end counts up, so the end sees it. */
export const FORGET = extraField(CLOSED);

/** From when on the record counts as gone, though some of the workflow may still go on in it: epoch ms. */
export const UNTIL = 'until';

/** The workflow's outcome stands. */
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

/** That a workflow was revoked. */
export interface FlowRevocation {
  readonly reason: string | undefined;
  /** When, epoch ms. */
  readonly at: number | undefined;
  /** The parts that ran by then and run on, by path, each with the number of its delivery. */
  readonly running: ReadonlyMap<string, number>;
}

/** As it is written. */
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

/** Whether the workflow was revoked, and why. */
export function revocationIn(text: string | undefined): FlowRevocation | undefined {
  if (text === undefined) return undefined;
  const { r, t, s = {} } = JSON.parse(text) as { r: string | null; t?: number; s?: Record<string, number> };
  return { reason: r ?? undefined, at: t, running: new Map(Object.entries(s)) };
}

/** The failing of a chain, as a later step of it shows it. */
export interface SharedFailing {
  readonly failing: Failing;
  /** As the body of the chord whose header failed, or as a part of that body. */
  readonly body: boolean;
  /** It is the body, not a part of it: its errbacks are called. */
  readonly itself: boolean;
}

/**
 * The failing that a part shares: that of a chain around it, which failed in an earlier step.
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
