/**
 * What a subject written in TypeScript must fill: how its users call and how its users run a worker.
 * Runs inside the child processes; the measuring is done around it. A new subject is one driver file, one line
 * in `drivers.ts` and one in `registry.ts`.
 */
import type { BrokerAddress } from '../processes/redis.js';

export interface Driver {
  /** Connects and is ready to call. */
  openCaller(broker: BrokerAddress): Promise<Caller>;
  /** Starts a worker that runs `task` for every job; resolves when it takes jobs. */
  startWorker(broker: BrokerAddress, options: { concurrency: number; task: BenchTask }): Promise<Running>;
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
}

export interface Running {
  readonly close: () => Promise<unknown>;
}
