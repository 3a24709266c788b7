/**
 * What a supervisor and one of its worker processes say to each other over IPC: every message once, in both directions,
 * all of it plain JSON.
 */

import type { MetricsJson } from '../../events/metrics.js';
import type { WireError } from '../../protocol/wire-error.js';
import type { Verdict } from '../observe/health-server.js';
import type { ChildLimits } from '../threads/router.js';
import type { WorkerOptions } from '../worker-options.js';

/** What a worker process is to be. */
export interface ProcessSetup {
  /** The app module, absolute. */
  readonly file: string;
  readonly appName: string;
  readonly prefix: string;
  /** The name of the node it is a part of. */
  readonly node: string;
  /** Those that survive JSON. */
  readonly options: WorkerOptions;
  readonly recycling: ChildLimits;
  /** Whether anybody reads its metrics. */
  readonly measured: boolean;
  /** How the supervisor's logger can be made again there, in that logger's own words. */
  readonly log: unknown;
}

/** What a process has done so far. */
export interface ProcessRecord {
  /** Ended tasks by name. */
  readonly processed: Readonly<Record<string, number>>;
  readonly running: number;
  /** Tasks that may run at once. */
  readonly concurrency: number;
  readonly metrics: MetricsJson;
  /** The queues of the broker that it consumes. */
  readonly queues: readonly string[];
}

/** How a process is. */
export interface ProcessHealth {
  readonly live: Verdict;
  readonly ready: Verdict;
}

/** Supervisor to process. */
export type ToProcess =
  | { readonly kind: 'setup'; readonly setup: ProcessSetup }
  | { readonly kind: 'ask'; readonly id: number; readonly command: string; readonly args: object }
  /** It may take tasks. */
  | { readonly kind: 'go' }
  | { readonly kind: 'stop'; readonly timeoutMs: number }
  | { readonly kind: 'stopNow' }
  | { readonly kind: 'logRunning' };

/** Process to supervisor. */
export type FromProcess =
  /** It listens and wants its setup. */
  | { readonly kind: 'born' }
  /** It could take tasks, and waits until it may. */
  | { readonly kind: 'ready' }
  /** It cannot become a worker. */
  | { readonly kind: 'failed'; readonly error: WireError }
  | { readonly kind: 'answer'; readonly id: number; readonly reply: unknown }
  /** It takes no more tasks and will end by itself: another may take its place. */
  | { readonly kind: 'leaving'; readonly why: string }
  /** What it has done: soon after each task that ended, and with its last words. Who is killed has none. */
  | { readonly kind: 'record'; readonly record: ProcessRecord };
