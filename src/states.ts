/**
 * The states of tasks, and the sets of states that Celery names (`celery.states`). A task's own states (`PROGRESS`, …) are
 * any other upper-case names.
 */

import { CeleriacError } from './errors.js';

/** Sent and not started: queued or delayed. Also the state of an unknown id; `snapshot().known` distinguishes the two. */
export const PENDING = 'PENDING';
/** An event only (a worker fetched it); never a stored state. */
export const RECEIVED = 'RECEIVED';
export const STARTED = 'STARTED';
/** Failed, and waiting for its next attempt. */
export const RETRY = 'RETRY';
/** Between two stretches of an attempt: asleep, or waiting for a value. It holds no slot. */
export const WAITING = 'WAITING';
export const SUCCESS = 'SUCCESS';
export const FAILURE = 'FAILURE';
/** Revoked, expired before its start, or purged. */
export const REVOKED = 'REVOKED';

/** A built-in state, or an upper-case name of your own. */
export type State =
  | 'PENDING'
  | 'STARTED'
  | 'RETRY'
  | 'WAITING'
  | 'SUCCESS'
  | 'FAILURE'
  | 'REVOKED'
  | (string & Record<never, never>);

const BUILT_IN: ReadonlySet<string> = new Set([
  PENDING,
  RECEIVED,
  STARTED,
  RETRY,
  WAITING,
  SUCCESS,
  FAILURE,
  REVOKED,
]);

/** A set that throws when it is changed. */
function fixedSet(names: readonly string[]): ReadonlySet<string> {
  const set = new Set(names);
  const value = () => {
    throw new CeleriacError('The sets of states are fixed: make a Set of your own to add to.');
  };
  return Object.freeze(Object.defineProperties(set, { add: { value }, delete: { value }, clear: { value } }));
}

/** States of ended tasks, which never change any more. */
export const READY: ReadonlySet<string> = fixedSet([SUCCESS, FAILURE, REVOKED]);
/** States of tasks that have not ended. */
export const UNREADY: ReadonlySet<string> = fixedSet([PENDING, RECEIVED, STARTED, RETRY, WAITING]);
/** States whose result is an error. */
export const EXCEPTION: ReadonlySet<string> = fixedSet([RETRY, FAILURE, REVOKED]);
/** States whose error `get()` throws. */
export const PROPAGATE: ReadonlySet<string> = fixedSet([FAILURE, REVOKED]);

/** Whether only celeriac sets `state`. A task that runs may name a state of its own WAITING. */
export function isBuiltIn(state: string): boolean {
  return state !== WAITING && BUILT_IN.has(state);
}

/** The public `states` object. */
export const states = Object.freeze({
  PENDING,
  RECEIVED,
  STARTED,
  RETRY,
  WAITING,
  SUCCESS,
  FAILURE,
  REVOKED,
  READY,
  UNREADY,
  EXCEPTION,
  PROPAGATE,
} as const);
