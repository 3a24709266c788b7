/** The task of a fault campaign for batches, as its caller and its workers make it. */
import { BatchError, type Celeriac } from 'celeriac';
import { pause } from './app.js';
import type { CampaignPlace } from './campaign-app.js';

/** Where the processes of the campaign meet. */
export interface BatchPlace extends CampaignPlace {
  readonly size: number;
}

/** What the caller of `n` gets. */
export const rightValue = (n: number) => `value ${n * 7}`;

/** Whether the call with `n` fails. */
export const fails = (n: number) => n % 997 === 13;

/** Another call of the batch failed: this one is tried again. */
class Again extends Error {}

/** Registers the task. A batch with a call that fails throws for that call, and the others are retried. */
export function registerValues(app: Celeriac, size: number) {
  const options = {
    batch: { size, wait: '100ms' },
    maxDeliveries: 10_000,
    autoretryFor: Again,
    maxRetries: null,
    defaultRetryDelay: 1,
  } as const;
  return app.task('value', options, async (numbers: number[]): Promise<string[]> => {
    // Long enough for a kill to meet it.
    await pause(5 + Math.random() * 20);
    if (!numbers.some(fails)) return numbers.map(rightValue);
    throw new BatchError(
      new Map(numbers.map((n, i) => [i, fails(n) ? new RangeError(`no value for ${n}`) : new Again()])),
    );
  });
}
