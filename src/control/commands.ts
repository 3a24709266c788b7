/** The commands of remote control, each with its arguments and its reply. All of it is plain JSON. */

import type { LogLevel } from '../options/logger.js';

/** A task as reported by `inspect().active()` and the like. Moments are ISO strings. */
export interface TaskReport {
  readonly id: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly queue: string;
  readonly retries: number;
  readonly deliveries: number;
  readonly startedAt?: string;
  readonly eta?: string;
  /** What the task sleeps or waits for, until when. */
  readonly waiting?: readonly {
    readonly kind: 'sleep' | 'wait';
    readonly name: string;
    readonly until?: string;
  }[];
  /** Its tags, if it has any. */
  readonly tags?: readonly string[];
  readonly pid: number;
}

/** Number of slots, and how many of them are taken. */
export interface SlotCounts {
  readonly size: number;
  readonly used: number;
  readonly free: number;
}

/** A node's reply to `inspect().stats()`. */
export interface NodeStats {
  readonly pid: number;
  readonly uptimeMs: number;
  readonly pool: string;
  /** Number of shared slots. */
  readonly concurrency: number;
  /** All slots: the shared ones, and those of queues with slots of their own. */
  readonly slots: SlotCounts;
  readonly running: number;
  /** Number of tasks ended here, by name. */
  readonly processed: Readonly<Record<string, number>>;
  readonly queues: readonly QueueReport[];
  readonly version: string;
  /** The ids of its processes, if there are several. */
  readonly processes?: readonly number[];
  /** Resident memory, bytes, its processes together. */
  readonly memory?: number;
  /** CPUs in use on average since it was last asked, or since its start: 1 is one whole CPU. */
  readonly cpu?: number;
}

/** A queue that a node consumes, and how many of its tasks may run at once. */
export interface QueueReport {
  readonly name: string;
  readonly concurrency: number;
}

/** Where a node sees a task: running, fetched, delayed in its queues, or waiting there. */
export type TaskPlace = 'active' | 'reserved' | 'scheduled' | 'waiting';

/** A node's reply to `inspect().queryTask()` about one task (Celery: `query_task`). */
export interface FoundTask {
  readonly state: TaskPlace;
  readonly info: TaskReport;
}

/** Commands and their arguments. */
export interface Commands {
  ping: { args: Record<never, never>; reply: 'pong' };
  active: { args: Record<never, never>; reply: TaskReport[] };
  /** The delayed tasks of the node's queues, soonest first (capped). */
  scheduled: { args: Record<never, never>; reply: TaskReport[] };
  /** Fetched but not running yet. */
  reserved: { args: Record<never, never>; reply: TaskReport[] };
  registered: { args: Record<never, never>; reply: string[] };
  stats: { args: Record<never, never>; reply: NodeStats };
  activeQueues: { args: Record<never, never>; reply: QueueReport[] };
  /** Settings, secrets masked. */
  conf: { args: Record<never, never>; reply: Record<string, unknown> };
  /** Versions and settings as text. */
  report: { args: Record<never, never>; reply: string };
  /** The tasks the node knows; others are left out. */
  queryTask: { args: { ids: readonly string[] }; reply: Record<string, FoundTask> };
  poolGrow: { args: { n: number }; reply: { ok: string } };
  poolShrink: { args: { n: number }; reply: { ok: string } };
  /** Starts autoscaling the shared slots. */
  autoscale: { args: { max: number; min: number }; reply: { ok: string } };
  addConsumer: { args: { queue: string; concurrency?: number }; reply: { ok: string } };
  cancelConsumer: { args: { queue: string }; reply: { ok: string } };
  /** Reports that a queue was paused or resumed in the broker; `known` if it had been used before. */
  pause: { args: { queue: string; known: boolean }; reply: { ok: string } };
  resume: { args: { queue: string; known: boolean }; reply: { ok: string } };
  /** Reports that a task's rate was changed in the broker, to this one (`null` for none). */
  rateLimit: { args: { task: string; rate: string | null }; reply: { ok: string } };
  /** In ms; `null` for none, absent to keep the limit. For tasks that start from now on. */
  timeLimit: {
    args: { task: string; softMs?: number | null; hardMs?: number | null };
    reply: { ok: string };
  };
  loglevel: { args: { level: LogLevel }; reply: { ok: string } };
  /** Ends running tasks, by job id. */
  revoke: { args: { jobIds: readonly string[]; reason?: string }; reply: { ok: string } };
  /** Drops the records of running tasks when they have ended, by job id. */
  forget: { args: { jobIds: readonly string[] }; reply: { ok: string } };
  /** The ids of tasks the node ended as revoked, newest last (capped). */
  revoked: { args: Record<never, never>; reply: string[] };
  shutdown: { args: Record<never, never>; reply: { ok: string } };
  /** A command of the app's own: its name, and its encoded arguments; the caller waits for `timeoutMs`. */
  own: { args: { name: string; args: unknown; timeoutMs: number }; reply: unknown };
}

export type CommandName = keyof Commands;

/** A worker's handler for each command. A thrown error becomes `{ error }`. */
export type CommandHandlers = {
  [C in CommandName]: (args: Commands[C]['args']) => Commands[C]['reply'] | Promise<Commands[C]['reply']>;
};

/** The reply of a node that failed, or did not answer. */
export interface ErrorReply {
  readonly error: string;
}

/** The error reported for a live but silent node. */
export const NO_ANSWER = 'no answer';

export function isErrorReply(reply: unknown): reply is ErrorReply {
  return typeof reply === 'object' && reply !== null && 'error' in reply;
}

/** One reply per node. */
export type Replies<R> = Record<string, R | ErrorReply>;

/** A request on the bus. */
export interface CommandRequest {
  readonly id: string;
  readonly command: string;
  readonly args: Record<string, unknown>;
  readonly replyTo: string;
}

/** A reply on the bus. */
export interface CommandReply {
  readonly id: string;
  readonly node: string;
  readonly reply: unknown;
}

/** Prefix of workers on the bus; callers do not have it. */
export const WORKER_MARK = 'worker ';
/** The topic that one node subscribes to. */
export const topicOf = (nodeId: string): string => `node.${nodeId}`;
