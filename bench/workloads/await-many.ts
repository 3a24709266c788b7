/** A thousand calls awaited together, again and again; jobs/s is a thousand divided by the wall time of one such wave. */
import { argument } from './argument.js';
import { callAndCheck } from './call-and-check.js';
import type { CallWorkload } from './workload.js';

const WAVE = 1_000;

export const awaitMany: CallWorkload = {
  kind: 'call',
  name: 'await-many',
  title: '1,000 calls awaited together',
  workerConcurrency: 10,
  jobs: { full: 10_000, quick: 2_000, unit: WAVE },
  targets: { jobsPerSecond: 1.18, cpuUs: 0.85 },
  prepare: (caller) => async (first, count) => {
    for (let start = first; start < first + count; start += WAVE) {
      const wave = Array.from({ length: WAVE }, (_, offset) =>
        callAndCheck(caller, argument(start + offset)),
      );
      await Promise.all(wave);
    }
    return undefined;
  },
};
