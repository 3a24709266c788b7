/**
 * Outcome → what is written. The only writer after a run: the consumer carries the Settlement out in one atomic step of
 * BullMQ's, so a crash before it repeats the attempt, and a crash after it changes nothing.
 *
 *   outcome    written                                   then reads as
 *   success    return value, kept unless ignored         SUCCESS
 *   failure    error, kept unless ignored                FAILURE
 *   retry      error and due time; the attempt counts    RETRY
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
import type { Delivery } from '../../queue/delivery.js';
import type { Settlement } from '../../queue/settlement.js';

import { failureText, revocationText } from '../../results/failure-text.js';

import type { Execution } from './outcome.js';

export function settle(delivery: Delivery, { outcome, task, started }: Execution): Settlement {
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
        ...failureText(outcome.error, outcome.wire),
      };
    case 'retry':
      return { kind: 'retry', delayMs: outcome.delayMs, ...failureText(outcome.error, outcome.wire) };
    case 'replaced':
      return { kind: 'complete', value: replacedBy(outcome.flow), keep: true, quiet: true };
    case 'ignore':
      return { kind: 'complete', value: null, keep: false, quiet: false };
    case 'revoked': {
      const { taskId, name } = delivery;
      const error = new TaskRevokedError({ taskId, taskName: name, reason: outcome.reason });
      return { kind: 'fail', keep: !ignored, ...revocationText(error, started) };
    }
    case 'later':
      return { kind: 'postpone', delayMs: outcome.delayMs };
    case 'move':
      return { kind: 'move', lane: outcome.lane };
    case 'handBack':
      return { kind: 'release' };
    case 'lost':
      return { kind: 'abandon' };
  }
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
