/**
 * Decides before a delivery runs whether it may. A task that is unknown here, lost too often, revoked, expired or not
 * due yet gets its outcome without running.
 */
import type { BrokerClock } from '../../broker/clock.js';
import { WorkerLostError } from '../../errors.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { Outcome } from './outcome.js';

/** Most that a worker's clock may be off the broker's, ms, in an app without a `lockDuration` of its own. */
const CLOCKS_OFF_MS = 2500;

/**
 * The outcome if the delivery must not run, for reasons other than its workers' deaths; undefined if it may.
 * @param clocksOffMs how far the clock of any worker of the fleet may be off the broker's
 */
export function refusal(
  delivery: Delivery,
  task: RegisteredTask,
  clock: Pick<BrokerClock, 'now' | 'stopped'>,
  clocksOffMs = CLOCKS_OFF_MS,
): Outcome | undefined {
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
  const earlyMs = message.eta !== undefined && delivery.retries === 0 ? message.eta - now : 0;
  // BullMQ promotes by the worker's clock, but the task is due by the broker's. A job that is early by more than
  // clocks differ was promoted on purpose, so it is due now.
  if (earlyMs > 0 && (earlyMs <= clocksOffMs || clock.stopped)) return { kind: 'later', delayMs: earlyMs };
  return undefined;
}

/** `expires` is the latest start of a task: a later attempt at a task that has begun is on time. */
function hasBegun({ retries, stalls, deliveries, wakings = 0, message }: Delivery): boolean {
  return retries > 0 || stalls > 0 || wakings > 0 || deliveries > 1 || message.steps === true;
}

/** The outcome of a task whose last permitted worker died. */
export function lostTooOften({ name, taskId }: Delivery, deaths: number): Outcome {
  const error = new WorkerLostError(
    `${deaths} workers died while they ran ${name} (${taskId}); maxDeliveries allows no more.`,
  );
  return { kind: 'failure', error };
}
