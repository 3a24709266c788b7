/** What grows with what waits or has been: the price of a task over a backlog, a worker's memory, the broker's. */
import { drain } from './drain.js';
import type { DrainWorkload, SizeWorkload, StartWorkload } from './workload.js';

/** The same 10,000 tasks (fewer where fewer wait) out of backlogs of growing size. */
export function backlog(size: number, name: string): DrainWorkload {
  const jobs = Math.min(10_000, size * 0.8);
  return {
    ...drain(10),
    name: `backlog-${name}`,
    title: `drain at a backlog of ${size.toLocaleString('en-US')}, concurrency 10`,
    jobs: { full: jobs, quick: Math.min(jobs, 2_000) },
    backlog: size,
    targets: {},
    long: size > 10_000,
  };
}

/** `worker growth` is what its memory gained between the 10,000th task and the last. */
export const memory: DrainWorkload = {
  ...drain(10),
  name: 'memory',
  title: 'memory of a worker over 100,000 tasks',
  jobs: { full: 90_000, quick: 4_000 },
  warmUp: 10_000,
  targets: {},
  long: true,
};

export const size: SizeWorkload = {
  kind: 'size',
  name: 'size',
  title: 'bytes in the broker',
  workerConcurrency: 10,
  jobs: { full: 10_000, quick: 2_000 },
  targets: { waitingBytes: 1.15 },
};

export const start: StartWorkload = {
  kind: 'start',
  name: 'start',
  title: 'starting up',
  jobs: { full: 5, quick: 2 },
  targets: { importMs: 1.25, readyMs: 1.25 },
};
