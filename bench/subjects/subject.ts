/**
 * What the measuring side asks of a subject: one process that calls, one that works, both readable from outside.
 * Subjects written in TypeScript come from `node-subject.ts` and a driver; others fill this themselves.
 */

import type { BrokerKind } from '../options.js';
import type { BrokerAddress } from '../processes/broker.js';
import type { Children } from '../processes/children.js';

export interface Subject {
  /** For `--subjects` and the JSON report. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  /** Its share of a workload's jobs: below 1 for subjects so slow that the full number only takes time. */
  readonly scale: number;
  /** Whether it can run here: its version, or why not. */
  available(broker: BrokerKind): Promise<Availability>;
  startCaller(place: Place): Promise<CallerProcess>;
  /** `undefined` when it has nothing comparable to this concurrency. */
  startWorker(place: Place, setup: WorkerNeeds): Promise<WorkerProcess> | undefined;
  /** Starts a worker's process and ends it when it is ready; absent where nobody can tell from outside. */
  startUp?(place: Place): Promise<StartUp>;
}

export interface WorkerNeeds {
  readonly concurrency: number;
  /** Tasks that compute run beside each other on several cores. */
  readonly threads: boolean;
}

/** How long a worker's process took, ms. */
export interface StartUp {
  /** Loading the package and what it brings. */
  readonly importMs: number;
  /** From the start of the process until it takes tasks. */
  readonly readyMs: number;
}

export type Availability = { readonly version: string } | { readonly missing: string };

/** Where a measurement takes place. */
export interface Place {
  readonly broker: BrokerAddress;
  readonly children: Children;
  /** The Node that callers and workers run on. */
  readonly node: string;
}

/** What a process has used since it began. */
export interface Reading {
  /** By the process's own monotonic clock; only differences mean something. */
  readonly atMs: number;
  /** User + system time of the whole process tree; `undefined` where the platform does not tell. */
  readonly cpuMs: number | undefined;
  readonly peakRssBytes: number | undefined;
  readonly rssBytes?: number | undefined;
}

export interface CallerProcess {
  /** Puts tasks `first` to `first + count - 1` in the queue, untimed. */
  fill(first: number, count: number): Promise<void>;
  /** Does `count` jobs of a workload; `undefined` when the subject has no such operation. */
  perform(work: { workload: string; first: number; count: number }): Promise<Performance | undefined>;
  usage(): Promise<Reading>;
  stop(): Promise<void>;
}

/** One timed operation, read in the process that did it. */
export interface Performance {
  readonly before: Reading;
  readonly after: Reading;
  readonly latenciesMs: readonly number[] | undefined;
}

export interface WorkerProcess {
  /** Resolves when it takes jobs, or soon will. */
  begin(): Promise<void>;
  /** Resolves once it has run `count` jobs in all, with what it had used then. Ask before `begin`. */
  reached(count: number): Promise<Reading>;
  usage(): Promise<Reading>;
  stop(): Promise<void>;
}
