/** The state of a part of a workflow, from its job and the workflow's record. Pure; the only place that decides it. */
import { CLOSED, HEAD, REVOKED } from '../../broker/broker.js';
import { ancestors } from './plan.js';
import {
  type Ending,
  type Failing,
  type FlowRevocation,
  FORGET,
  failedField,
  readEnding,
  readFailing,
  revocationIn,
  type SharedFailing,
  sharedFailing,
  UNTIL,
} from './record.js';

/** The stage of a part's job: not sent (or dropped), waiting in its queue or about to be discarded, running, ended. */
export type JobStage = 'none' | 'sent' | 'running' | 'done' | 'replaced';

/** A part that a task has ended with its own value, before the rest of it ran. */
export interface EndedEarly {
  /** The path of the ended part. */
  readonly part: string;
  /** The path of the task. */
  readonly by: string;
  /** Epoch ms. */
  readonly at: number;
}

/** What a workflow's record says about one part. */
export interface PartRecord {
  /** True if there is a record that is neither forgotten nor expired. */
  readonly kept: boolean;
  /** True once the workflow's outcome is final. */
  readonly over: boolean;
  readonly revocation: FlowRevocation | undefined;
  readonly ending: Ending | undefined;
  /** Set if the part is a chain or group that has failed. */
  readonly failing: Failing | undefined;
  /** Set if a chain around it failed before its turn. */
  readonly shared: SharedFailing | undefined;
  /** Set if a task ended a workflow that it is a part of. */
  readonly ended: EndedEarly | undefined;
  /** The part whose link or errback it is, directly or further up. */
  readonly carrier: { readonly link: boolean; readonly record: PartRecord } | undefined;
}

/** How to read a part. */
export type PartState =
  /** As its job says. */
  | { readonly kind: 'job' }
  /** Nothing is known about it any more. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'ended'; readonly ending: Ending; readonly over: boolean }
  /** Failed because of another part; `body`: as the body of the chord whose header failed. */
  | { readonly kind: 'failed'; readonly failing: Pick<Failing, 'f'>; readonly body: boolean }
  | { readonly kind: 'revoked'; readonly revocation: FlowRevocation }
  /** A task has ended the workflow before its turn. */
  | { readonly kind: 'skipped'; readonly ended: EndedEarly; readonly over: boolean }
  /** Its turn has not come. */
  | { readonly kind: 'waiting' };

export function partState(job: JobStage, record: PartRecord): PartState {
  const { ending, failing, shared, ended, revocation, over } = record;
  if (!record.kept) return job === 'none' ? { kind: 'gone' } : { kind: 'job' };
  if (job === 'done' || (job === 'replaced' && ending === undefined)) return { kind: 'job' };
  if (isIgnored(record)) return { kind: 'gone' };
  if (ending !== undefined) return { kind: 'ended', ending, over };
  if (ended !== undefined && job !== 'running') return { kind: 'skipped', ended, over };
  if (failing !== undefined) return { kind: 'failed', failing, body: false };
  if (shared !== undefined) return { kind: 'failed', failing: shared.failing, body: shared.body };
  if (revocation !== undefined && job !== 'running') return { kind: 'revoked', revocation };
  if (job !== 'none') return { kind: 'job' };
  return (record.carrier && neverCalled(record.carrier)) ?? { kind: 'waiting' };
}

/** True if it ended, or will never begin, because a task was ignored. */
function isIgnored({ ending, failing, shared }: PartRecord): boolean {
  if (ending !== undefined && !('x' in ending)) return 'i' in ending;
  return (failing ?? shared?.failing)?.ignored === true;
}

/**
 * A link of a failed part shares the failure. An errback of a part that succeeded, or never ran, will never be
 * called.
 */
function neverCalled({ link, record }: NonNullable<PartRecord['carrier']>): PartState | undefined {
  const state = partState('none', record);
  switch (state.kind) {
    case 'ended': {
      const { ending } = state;
      const failing = 'f' in ending ? ending : record.failing;
      if (failing === undefined) return link ? undefined : { kind: 'gone' };
      return link ? { kind: 'failed', failing, body: false } : undefined;
    }
    case 'failed':
      if (link) return { ...state, body: false };
      return record.failing !== undefined || record.shared?.itself === true ? undefined : { kind: 'gone' };
    default:
      return state.kind === 'waiting' ? undefined : state;
  }
}

/** The fields of the record that decide a part's state. */
export function recordFields(path: string): string[] {
  const fields = [path, failedField(path), ...ancestors(path).map(failedField)];
  const carrier = callbackOf(path);
  return carrier === undefined
    ? [HEAD, FORGET, UNTIL, CLOSED, REVOKED, ...fields]
    : [...recordFields(carrier.path), ...fields];
}

/**
 * @param values those of {@link recordFields}, in their order
 * @param now epoch ms
 */
export function readRecord(path: string, values: readonly (string | undefined)[], now: number): PartRecord {
  const fields = recordFields(path);
  return readAt(path, (field) => values[fields.indexOf(field)], now);
}

/** True if the record can still be read. */
export function isKept(value: (field: string) => string | undefined, now: number): boolean {
  const over = (value(CLOSED) ?? value(REVOKED)) !== undefined;
  const forgotten = value(FORGET) !== undefined && over;
  return value(HEAD) !== undefined && !forgotten && now < Number(value(UNTIL) ?? Number.POSITIVE_INFINITY);
}

function readAt(path: string, value: (field: string) => string | undefined, now: number): PartRecord {
  const own = readFailing(value(failedField(path)));
  const known = ancestors(path).flatMap((around) => {
    const failing = readFailing(value(failedField(around)));
    return failing === undefined ? [] : [{ path: around, failing }];
  });
  const early = [own, ...known.map(({ failing }) => failing)].find((failing) => failing?.ended !== undefined);
  const carrier = callbackOf(path);
  return {
    kept: isKept(value, now),
    over: value(CLOSED) !== undefined,
    revocation: revocationIn(value(REVOKED)),
    ending: readEnding(value(path)),
    failing: own?.ended === undefined ? own : undefined,
    shared: sharedFailing(
      path,
      known.filter(({ failing }) => failing.ended === undefined),
    ),
    ended: early?.ended === undefined ? undefined : { part: early.ended, by: early.at, at: early.f.t },
    carrier: carrier && { link: carrier.link, record: readAt(carrier.path, value, now) },
  };
}

/** The part whose link or errback a part is, or belongs to. */
function callbackOf(path: string): { readonly path: string; readonly link: boolean } | undefined {
  const at = Math.max(path.lastIndexOf('.l'), path.lastIndexOf('.e'));
  return at < 0 ? undefined : { path: path.slice(0, at), link: path[at + 1] === 'l' };
}
