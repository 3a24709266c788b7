/**
 * What a workload is: data plus, for calling ones, the code that runs in the caller's process.
 * A new workload is one file beside this one and one line in `registry.ts`; `measure/` knows how to run each kind.
 */
import type { MetricName } from '../measure/metrics.js';
import type { Caller } from '../subjects/driver.js';

export type Workload = CallWorkload | DrainWorkload | StartWorkload | SizeWorkload;

interface WorkloadBase {
  /** For `--only` and for the operations of subjects in other languages. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  readonly jobs: JobCount;
  /** What celeriac ÷ raw BullMQ should be: at most this, or at least for metrics where more is better. */
  readonly targets: Partial<Record<MetricName, number>>;
  /** Runs only when it is asked for by name: it takes minutes. */
  readonly long?: boolean;
}

/** Something a caller does, timed in its process; a worker runs beside it when `workerConcurrency` is given. */
export interface CallWorkload extends WorkloadBase {
  readonly kind: 'call';
  readonly workerConcurrency?: number;
  /** Where the worker runs its tasks; default: where the subject does by itself. */
  readonly pool?: 'threads';
  /** So many processes wait for results of their own; one of them does the work (default 1). */
  readonly listeners?: number;
  /** `undefined` where this subject has no such operation. */
  prepare(caller: Caller): Operation | undefined;
}

/** A backlog is put in place, then a worker empties it. */
export interface DrainWorkload extends WorkloadBase {
  readonly kind: 'drain';
  readonly workerConcurrency: number;
  /** So many tasks wait when it begins, if that is more than it will run. */
  readonly backlog?: number;
  /** What is done before the measuring, instead of the usual. */
  readonly warmUp?: number;
}

/** A worker's process from its start to ready, `jobs` times one after the other. */
export interface StartWorkload extends WorkloadBase {
  readonly kind: 'start';
}

/** Tasks put in place and then run: what each takes in the broker. */
export interface SizeWorkload extends WorkloadBase {
  readonly kind: 'size';
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
export function jobsFor(workload: Workload, run: JobScale): number {
  const { full, quick, unit = 1 } = workload.jobs;
  return wholeUnits(
    Math.min(run.quick ? quick : full, run.atMost ?? Number.POSITIVE_INFINITY) * run.scale,
    unit,
  );
}

export interface JobScale {
  readonly quick: boolean;
  readonly scale: number;
  readonly atMost?: number | undefined;
}

/** Jobs done before the measuring starts: connections, scripts and compiled code are then in place. */
export function warmUpFor(workload: Workload, jobs: number): number {
  if (workload.kind === 'drain' && workload.warmUp !== undefined)
    return Math.min(workload.warmUp, Math.ceil(jobs / 4));
  return wholeUnits(Math.min(2_000, jobs / 4), workload.jobs.unit ?? 1);
}

function wholeUnits(jobs: number, unit: number): number {
  return Math.max(1, Math.ceil(jobs / unit)) * unit;
}
