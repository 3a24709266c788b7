/**
 * Whether a delivery may run, before anything of it does: what is unknown here, lost too often, revoked, expired or not
 * due yet has its outcome without its code.
 */
import type { BrokerClock } from '../../broker/clock.js';
import { WorkerLostError } from '../../errors.js';
import type { Delivery } from '../../queue/delivery.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { Outcome } from './outcome.js';

/** As far as the clocks of the workers of an app without a `lockDuration` of its own may be off the broker's, ms. */
const CLOCKS_OFF_MS = 2500;

/**
 * Reasons not to run it, other than its workers' deaths; undefined where there is none.
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
  // BullMQ promotes by the worker's clock; the task is due by the broker's. What comes earlier than clocks are off was
  // promoted by somebody, which means now.
  if (earlyMs > 0 && (earlyMs <= clocksOffMs || clock.stopped)) return { kind: 'later', delayMs: earlyMs };
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
