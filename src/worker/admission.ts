/**
 * Whether a delivery may run, before anything of it does: what is unknown here, lost too often, revoked, expired or not
 * due yet has its outcome without its code.
 */
import type { BrokerClock } from '../broker/clock.js';
import type { Delivery } from '../broker/delivery.js';
import { WorkerLostError } from '../errors.js';
import type { RegisteredTask } from '../tasks/registry.js';
import type { Outcome } from './outcome.js';

/** Reasons not to run it, other than its workers' deaths; undefined where there is none. */
export function refusal(delivery: Delivery, task: RegisteredTask, clock: BrokerClock): Outcome | undefined {
  const { stalls, message, taskId, name } = delivery;
  if (!task.run.acksLate && stalls > 0) {
    const error = new WorkerLostError(
      `The worker that ran ${name} (${taskId}) died, and acksLate: false forbids a second run.`,
    );
    return { kind: 'failure', error };
  }
  if (message.revoked !== undefined) return { kind: 'revoked', reason: message.revoked.reason };
  const now = clock.now();
  if (message.expires !== undefined && now >= message.expires && !hasBegun(delivery)) {
    return { kind: 'revoked', reason: 'it was not started before it expired', expired: true };
  }
  // BullMQ promotes by the worker's clock; the task is due by the broker's.
  if (message.eta !== undefined && now < message.eta && delivery.retries === 0) {
    return { kind: 'later', delayMs: message.eta - now };
  }
  return undefined;
}

/** `expires` says when a task must have started: a later attempt at it is on time. */
function hasBegun({ retries, stalls, deliveries }: Delivery): boolean {
  return retries > 0 || stalls > 0 || deliveries > 1;
}

/** The outcome of a task under which its last permitted worker has died. */
export function lostTooOften({ name, taskId }: Delivery, deaths: number): Outcome {
  const error = new WorkerLostError(
    `${deaths} workers died while they ran ${name} (${taskId}); maxDeliveries allows no more.`,
  );
  return { kind: 'failure', error };
}
