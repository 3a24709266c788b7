/**
 * The IPC messages between a supervisor and one of its worker processes, in both directions. All must be plain JSON.
 */

import type { AppOverrides } from '../../app-overrides.js';
import type { MetricsJson } from '../../events/metrics.js';
import type { WireError } from '../../protocol/wire-error.js';
import type { Verdict } from '../observe/health-server.js';
import type { ChildLimits } from '../threads/router.js';
import type { WorkerOptions } from '../worker-options.js';

/** Set-up of a worker process. */
export interface ProcessSetup {
  /** The app module, absolute. */
  readonly file: string;
  readonly appName: string;
  readonly prefix: string;
  readonly overrides: AppOverrides;
  /** Name of the node that it belongs to. */
  readonly node: string;
  /** The options that survive JSON. */
  readonly options: WorkerOptions;
  readonly recycling: ChildLimits;
  /** Whether its metrics are read. */
  readonly measured: boolean;
  /** How to recreate the supervisor's logger there, in a form that only that logger knows. */
  readonly log: unknown;
}

/** What a process has done so far. */
export interface ProcessRecord {
  /** Ended tasks by name. */
  readonly processed: Readonly<Record<string, number>>;
  readonly running: number;
  /** Number of tasks that may run at once. */
  readonly concurrency: number;
  readonly metrics: MetricsJson;
  /** Names of the broker's queues that it consumes. */
  readonly queues: readonly string[];
}

/** Health of a process. */
export interface ProcessHealth {
  readonly live: Verdict;
  readonly ready: Verdict;
}

/** Supervisor to process. */
export type ToProcess =
  | { readonly kind: 'setup'; readonly setup: ProcessSetup }
  | { readonly kind: 'ask'; readonly id: number; readonly command: string; readonly args: object }
  /** The process may take tasks. */
  | { readonly kind: 'go' }
  | { readonly kind: 'stop'; readonly timeoutMs: number }
  | { readonly kind: 'stopNow' }
  | { readonly kind: 'logRunning' };

/** Process to supervisor. */
export type FromProcess =
  /** The process listens and wants its set-up. */
  | { readonly kind: 'born' }
  /** The process could take tasks, and waits for `go`. */
  | { readonly kind: 'ready' }
  /** The process cannot start a worker. */
  | { readonly kind: 'failed'; readonly error: WireError }
  | { readonly kind: 'answer'; readonly id: number; readonly reply: unknown }
  /** The process takes no more tasks and will exit: another may replace it. */
  | { readonly kind: 'leaving'; readonly why: string }
  /** What it has done: sent soon after each ended task, and before its exit. A killed process sends no last record. */
  | { readonly kind: 'record'; readonly record: ProcessRecord };
