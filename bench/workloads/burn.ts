/** Tasks that compute for about 5 ms each, two at a time in threads: the machine's cores are the limit. */
import { inFlight } from './in-flight.js';
import type { CallWorkload } from './workload.js';

/** About 5 ms on the machine it was set for; the same work for every subject. `subjects/celery/tasks.py` has its twin. */
export const BURN_TURNS = 4_000_000;

/** Computes; the value keeps the loop from being optimised away. */
export function burn(): number {
  let state = 1;
  for (let turn = 0; turn < BURN_TURNS; turn++) state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
  return state;
}

export const burning: CallWorkload = {
  kind: 'call',
  name: 'cpu-threads',
  title: 'computing, 2 threads (Celery: 2 processes)',
  workerConcurrency: 2,
  pool: 'threads',
  jobs: { full: 1_000, quick: 100 },
  targets: { jobsPerSecond: 1.0 },
  prepare: (caller) => {
    const { burn: run } = caller;
    if (run === undefined) return undefined;
    return async (first, count) => {
      await inFlight({ first, count, width: 50 }, run);
      return undefined;
    };
  },
};
