/**
 * What a subject written in TypeScript must fill: how its users call and how its users run a worker.
 * Runs inside the child processes; the measuring is done around it. A new subject is one driver file, one line
 * in `drivers.ts` and one in `registry.ts`.
 */
import type { BrokerAddress } from '../processes/broker.js';

export interface Driver {
  /** Connects and is ready to call. */
  openCaller(broker: BrokerAddress): Promise<Caller>;
  /** Starts a worker that runs `task` for every job; resolves when it takes jobs. */
  startWorker(broker: BrokerAddress, options: WorkerSetup): Promise<Running>;
}

export interface WorkerSetup {
  readonly concurrency: number;
  /** The no-op. */
  readonly task: BenchTask;
  /** Tasks that compute run in threads. */
  readonly threads: boolean;
}

/** The no-op: counts, and returns the length of its argument. */
export type BenchTask = (text: string) => number;

/** The operations workloads are made of; optional ones are for what not every subject has. Bound: `this` is not used. */
export interface Caller extends Running {
  /** Resolves when the broker has the task. */
  readonly call: (text: string) => Promise<unknown>;
  /** Resolves with the task's value. */
  readonly callAndAwait: (text: string) => Promise<unknown>;
  /** Resolves when the broker has them all. */
  readonly publish?: (texts: readonly string[]) => Promise<unknown>;
  /** Runs one task that reports its progress so many times; resolves with the number. */
  readonly progress?: (updates: number) => Promise<unknown>;
  /** The no-op for each text, and then the sum of their values, which it resolves with. */
  readonly chord?: (texts: readonly string[]) => Promise<unknown>;
  /** So many steps one after the other, each adding 1 to what the one before gave; resolves with the last value. */
  readonly chain?: (steps: number) => Promise<unknown>;
  /** Runs a task that computes for about 5 ms; resolves when it has. */
  readonly burn?: () => Promise<unknown>;
}

export interface Running {
  readonly close: () => Promise<unknown>;
}
