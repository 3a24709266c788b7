/** A backlog of no-op tasks emptied at a given concurrency: what running a task costs. */
import type { DrainWorkload } from './workload.js';

export function drain(workerConcurrency: number): DrainWorkload {
  return {
    kind: 'drain',
    name: `drain-${workerConcurrency}`,
    title: `drain, concurrency ${workerConcurrency}`,
    workerConcurrency,
    jobs: { full: 20_000, quick: 3_000 },
    targets: { workerCpuUs: 1.08, jobsPerSecond: 0.97 },
  };
}
