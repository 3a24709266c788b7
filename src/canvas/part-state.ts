/**
 * How a part of a workflow stands, from its job and the workflow's record. Pure; the one place that decides it.
 */
import { CLOSED, HEAD, REVOKED } from '../broker/engine.js';
import {
  type Ending,
  type Failing,
  FORGET,
  failedField,
  readEnding,
  readFailing,
  revocationIn,
  sharedFailing,
} from './flow-record.js';
import { ancestors } from './plan.js';

/** How far the job of a part is: not sent (or dropped), waiting in its queue, in a worker's hands, ended. */
export type JobStage = 'none' | 'sent' | 'running' | 'done' | 'replaced';

/** What a workflow's record says of one part. */
export interface PartRecord {
  /** There is a record, and nobody has forgotten it. */
  readonly kept: boolean;
  /** The workflow's outcome stands. */
  readonly over: boolean;
  readonly revocation: { readonly reason: string | undefined } | undefined;
  readonly ending: Ending | undefined;
  /** The part is a chain or group that has failed. */
  readonly failing: Failing | undefined;
  /** A chain around it has failed before its turn. */
  readonly shared: { readonly failing: Failing; readonly body: boolean } | undefined;
}

/** How a part is to be read. */
export type PartState =
  /** As its job says. */
  | { readonly kind: 'job' }
  /** Nothing is known of it any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'ended'; readonly ending: Ending; readonly over: boolean }
  /** With somebody else's failure; `body`: as the body of the chord whose header failed. */
  | { readonly kind: 'failed'; readonly failing: Failing; readonly body: boolean }
  | { readonly kind: 'revoked'; readonly reason: string | undefined }
  /** Its turn has not come. */
  | { readonly kind: 'waiting' };

export function partState(job: JobStage, record: PartRecord): PartState {
  const { ending, failing, shared, revocation, over } = record;
  if (!record.kept) return job === 'none' ? { kind: 'gone' } : { kind: 'job' };
  if (job === 'done' || (job === 'replaced' && ending === undefined)) return { kind: 'job' };
  if (ending !== undefined) return { kind: 'ended', ending, over };
  if (failing !== undefined) return { kind: 'failed', failing, body: false };
  if (shared !== undefined) return { kind: 'failed', ...shared };
  if (revocation !== undefined && job !== 'running') return { kind: 'revoked', reason: revocation.reason };
  return job === 'none' ? { kind: 'waiting' } : { kind: 'job' };
}

/** The fields of the record that say how a part stands. */
export function recordFields(path: string): string[] {
  return [HEAD, FORGET, CLOSED, REVOKED, path, failedField(path), ...ancestors(path).map(failedField)];
}

/** @param values those of {@link recordFields}, in their order */
export function readRecord(path: string, values: readonly (string | undefined)[]): PartRecord {
  const [head, forget, closed, revoked, own, failed, ...failings] = values;
  const around = ancestors(path);
  const known = failings.flatMap((text, i) => {
    const failing = readFailing(text);
    return failing === undefined ? [] : [{ path: around[i] ?? '', failing }];
  });
  const over = closed !== undefined;
  const revocation = revocationIn(revoked);
  return {
    kept: head !== undefined && !(forget !== undefined && (over || revocation !== undefined)),
    over,
    revocation,
    ending: readEnding(own),
    failing: readFailing(failed),
    shared: sharedFailing(path, known),
  };
}
