/** A running task tells how far it is, again and again: the price of one update. */
import type { CallWorkload } from './workload.js';

const UPDATES = 500;

export const progress: CallWorkload = {
  kind: 'call',
  name: 'progress',
  title: 'progress updates (a job is an update)',
  workerConcurrency: 10,
  jobs: { full: 10_000, quick: 1_000, unit: UPDATES },
  targets: { cpuUs: 1.0 },
  prepare: (caller) => {
    const { progress: run } = caller;
    if (run === undefined) return undefined;
    return async (_first, count) => {
      for (let done = 0; done < count; done += UPDATES) await run(UPDATES);
      return undefined;
    };
  },
};
