/** Call, run, await the value, then the next: the way there and back, and the caller's price for waiting. */
import { performance } from 'node:perf_hooks';
import { argument } from './argument.js';
import { callAndCheck } from './call-and-check.js';
import type { CallWorkload } from './workload.js';

export const awaitOne: CallWorkload = {
  kind: 'call',
  name: 'await-one',
  title: 'call, run, await, one at a time',
  workerConcurrency: 10,
  jobs: { full: 2_000, quick: 300 },
  targets: { p50Ms: 1.0, callerCpuUs: 0.6 },
  prepare: (caller) => async (first, count) => {
    const latencies: number[] = [];
    for (let index = first; index < first + count; index++) {
      const calledAt = performance.now();
      await callAndCheck(caller, argument(index));
      latencies.push(performance.now() - calledAt);
    }
    return latencies;
  },
};
