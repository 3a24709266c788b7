/** What `app.fleet()` shows of workers and tasks. Moments are by the broker's clock. */
import type { WaitingFor } from '../protocol/waiting.js';
import type { State } from '../states.js';
import type { WorkerFacts } from './names.js';

/** A worker, as its events and answers have shown it. */
export interface FleetWorker extends Omit<WorkerFacts, 'freq'> {
  /** False once it has gone or was lost. */
  readonly alive: boolean;
  /** True if it stopped being heard, without having said that it goes. */
  readonly lost: boolean;
  /** The machine's load over 1, 5 and 15 minutes; empty until its first heartbeat. */
  readonly loadavg: readonly number[];
  /** When it was last heard. */
  readonly seenAt: Date;
}

/** A task, as its events have shown it. */
export interface FleetTask {
  readonly id: string;
  readonly name: string;
  readonly shadow?: string;
  readonly tags: readonly string[];
  readonly queue: string;
  /** As of `result.status`; also `RECEIVED`. */
  readonly state: State;
  /** The worker that had it last. */
  readonly node?: string;
  readonly pid?: number;
  readonly retries: number;
  readonly rootId?: string;
  readonly parentId?: string;
  readonly eta?: Date;
  readonly expires?: Date;
  readonly sentAt?: Date;
  readonly receivedAt?: Date;
  readonly startedAt?: Date;
  readonly endedAt?: Date;
  /** How long its last attempt ran. */
  readonly runtimeMs?: number;
  /** Of its last failed attempt: `RangeError: out of it`. */
  readonly exception?: string;
  /** Why it was revoked. */
  readonly reason?: string;
  /** Of its last `updateState`. */
  readonly meta?: unknown;
  /** With the option `eventDetails`. */
  readonly args?: readonly unknown[];
  readonly result?: unknown;
  readonly stack?: string;
  /** What it sleeps or waits for. */
  readonly waits?: readonly WaitingFor[];
  /** When its last event happened. */
  readonly updatedAt: Date;
}

/** The fleet at one moment. */
export interface FleetSnapshot {
  /** When it was taken. */
  readonly at: Date;
  /** By name, those that have gone or were lost included for five minutes. */
  readonly workers: readonly FleetWorker[];
  /** Last changed first. */
  readonly tasks: readonly FleetTask[];
  /** Number of events heard, by type. */
  readonly counts: Readonly<Record<string, number>>;
  /** Number of events missed: what they said is not in the picture. */
  readonly lost: number;
  /** True once all workers that were there before have said what they run. */
  readonly complete: boolean;
}
