/**
 * What a workload is: data plus, for calling ones, the code that runs in the caller's process.
 * A new workload is one file beside this one and one line in `registry.ts`; `measure/` knows how to run each kind.
 */
import type { MetricName } from '../measure/metrics.js';
import type { Caller } from '../subjects/driver.js';

export type Workload = CallWorkload | DrainWorkload;

interface WorkloadBase {
  /** For `--only` and for the operations of subjects in other languages. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly jobs: JobCount;
  /** What celeriac ÷ raw BullMQ should be: at most this, or at least for metrics where more is better. */
  readonly targets: Partial<Record<MetricName, number>>;
}

/** Something a caller does, timed in its process; a worker runs beside it when `workerConcurrency` is given. */
export interface CallWorkload extends WorkloadBase {
  readonly kind: 'call';
  readonly workerConcurrency?: number;
  /** `undefined` where this subject has no such operation. */
  prepare(caller: Caller): Operation | undefined;
}

/** A backlog is put in place, then a worker empties it. */
export interface DrainWorkload extends WorkloadBase {
  readonly kind: 'drain';
  readonly workerConcurrency: number;
}

/** Does the work for arguments `first` to `first + count - 1`; resolves to one latency per call where that is the point. */
export type Operation = (first: number, count: number) => Promise<readonly number[] | undefined>;

export interface JobCount {
  readonly full: number;
  readonly quick: number;
  /** Jobs go in multiples of this (default 1). */
  readonly unit?: number;
}

/** How many jobs a measurement does: fewer on a slow subject, since every figure is per job. */
export function jobsFor(workload: Workload, run: { quick: boolean; scale: number }): number {
  const { full, quick, unit = 1 } = workload.jobs;
  return wholeUnits((run.quick ? quick : full) * run.scale, unit);
}

/** Jobs done before the measuring starts: connections, scripts and compiled code are then in place. */
export function warmUpFor(workload: Workload, jobs: number): number {
  return wholeUnits(Math.min(2_000, jobs / 4), workload.jobs.unit ?? 1);
}

function wholeUnits(jobs: number, unit: number): number {
  return Math.max(1, Math.ceil(jobs / unit)) * unit;
}
