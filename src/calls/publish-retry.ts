/** How long a call keeps trying to reach the broker, if it has a time of its own (`publishRetry`), and what it ends with. */
import type { BrokerClock } from '../broker/clock.js';
import { BrokerUnavailableError, OptionError } from '../errors.js';
import type { Producer } from '../queue/producer.js';
import type { SendWatch } from './send-watch.js';

/**
 * Waits until the broker's time and its listeners are known.
 * @param syncing the first try, which keeps trying as long as the app says
 * @param retryMs the call's own time
 */
export async function learnClock(
  { clock, events, producer }: { clock: BrokerClock; events: SendWatch; producer: Producer },
  syncing: Promise<void>,
  retryMs: number | undefined,
): Promise<void> {
  const learning = Promise.all([syncing, events.meet()]);
  if (retryMs === undefined) {
    await learning;
    return;
  }
  learning.catch(() => undefined); // tried again below
  await producer.patiently(retryMs, async () => {
    await clock.sync();
    await events.meet();
  });
}

/**
 * Refuses a longer time than the app's to a call that claims an id or a key: the claim stands as long as the app's calls
 * try, and another call may have it then.
 * @throws {OptionError}
 */
export function checkRetry(retryMs: number, appMs: number, name: string): void {
  if (retryMs <= appMs) return;
  throw new OptionError(
    `${name}: publishRetry ${retryMs} ms is longer than the app's, ${appMs} ms. A call with an id of its own or a unique ` +
      "key can only try for a shorter time; raise the app's publishRetry.",
  );
}

/** The error of a call that never began to be sent. */
export function notSent(error: BrokerUnavailableError, taskId: string, what: string): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `${error.message} ${what} was not sent; calling again with { taskId: error.taskId } is safe.`,
    { address: error.address, taskId, cause: error.cause },
  );
}
