/**
 * Outcome → what is written. The only writer after a run: the consumer carries the Settlement out in one atomic step of
 * BullMQ's, so a crash before it repeats the attempt, and a crash after it changes nothing.
 *
 *   outcome    written                                   then reads as
 *   success    return value, kept unless ignored         SUCCESS
 *   failure    error, kept unless ignored                FAILURE
 *   retry      error and due time; the attempt counts    RETRY
 *   requeue    due time; no attempt counted              PENDING
 *   wait       what for and due time; no attempt counted  WAITING
 *   replaced   where its place was given to              as that one reads
 *   ignore     the record is dropped                     (unknown)
 *   revoked    a TaskRevokedError                        REVOKED
 *   later      due time; no attempt counted              PENDING
 *   move       into its lane; no attempt counted         PENDING
 *   handBack   front of the queue; no attempt counted    PENDING
 *   lost       nothing: another worker owns it           (whatever that one writes)
 */

import { TaskRevokedError } from '../../errors.js';
import { replacedBy } from '../../protocol/message.js';
import { packPark, withWakings } from '../../protocol/waiting.js';
import { type Delivery, fetchesOf } from '../../queue/delivery.js';
import type { Settlement } from '../../queue/settlement.js';

import { type FailureText, failureText, revocationText } from '../../results/failure-text.js';

import type { Execution } from './outcome.js';

export function settle(delivery: Delivery, { outcome, task, started }: Execution): Settlement {
  const { wakings = 0 } = delivery;
  const ignored = delivery.message.ignore === true;
  switch (outcome.kind) {
    case 'success': {
      // BullMQ's events carry the value too, so an ignored one is left out; but the parent of a flow needs it.
      const value = ignored && !delivery.hasParent ? null : outcome.encoded;
      return { kind: 'complete', value, keep: !ignored, quiet: ignored };
    }
    case 'failure':
      return {
        kind: 'fail',
        keep: !ignored || task?.run.storeErrorsEvenIfIgnored === true,
        ...marked(failureText(outcome.error, outcome.wire), wakings),
      };
    case 'retry': {
      const text = marked(failureText(outcome.error, outcome.wire), wakings);
      const { delayMs, change } = outcome;
      return { kind: 'retry', delayMs, ...text, ...(change !== undefined && { change }) };
    }
    case 'wait': {
      const { waits, delayMs, ranMs } = outcome;
      const stack = packPark({
        starts: fetchesOf(delivery),
        wakings: wakings + 1,
        ranMs,
        for: waits,
      });
      return { kind: 'wait', delayMs, stack };
    }
    case 'replaced':
      return { kind: 'complete', value: replacedBy(outcome.flow), keep: true, quiet: true };
    case 'ignore':
      return { kind: 'complete', value: null, keep: false, quiet: false };
    case 'revoked': {
      const { taskId, name } = delivery;
      const error = new TaskRevokedError({ taskId, taskName: name, reason: outcome.reason });
      return {
        kind: 'fail',
        keep: !ignored,
        ...marked(revocationText(error, started || wakings > 0 || delivery.woken !== undefined), wakings),
      };
    }
    case 'requeue':
      return { kind: 'postpone', delayMs: outcome.delayMs };
    case 'later':
      return { kind: 'postpone', delayMs: outcome.delayMs, ...(outcome.yields && { yields: true }) };
    case 'move':
      return { kind: 'move', lane: outcome.lane };
    case 'handBack':
      return { kind: 'release' };
    case 'lost':
      return { kind: 'abandon' };
  }
}

/** Wakings count as no deliveries, in the record of a failed attempt too. */
function marked(text: FailureText, wakings: number): FailureText {
  return { ...text, stack: withWakings(text.stack, wakings) };
}

/** How long to keep the record that this settlement leaves, ms; `undefined` while the task goes on. */
export function retentionMs(
  settlement: Settlement,
  kept: { readonly resultExpiresMs: number; readonly failureExpiresMs: number },
): number | undefined {
  if (settlement.kind === 'complete') return settlement.keep ? kept.resultExpiresMs : 0;
  if (settlement.kind === 'fail') return settlement.keep ? kept.failureExpiresMs : 0;
  return undefined;
}
