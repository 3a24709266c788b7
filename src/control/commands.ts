/**
 * The words workers understand: every command once, with its arguments and its reply. Plain JSON both ways.
 */

import type { LogLevel } from '../options/logger.js';

/** What `inspect().active()` and its kin report of a task. Moments are ISO strings. */
export interface TaskReport {
  readonly id: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly queue: string;
  readonly retries: number;
  readonly deliveries: number;
  readonly startedAt?: string;
  readonly eta?: string;
  readonly pid: number;
}

/** How many tasks may run at once, and how many of these places are taken. */
export interface SlotCounts {
  readonly size: number;
  readonly used: number;
  readonly free: number;
}

/** What `inspect().stats()` reports of a node. */
export interface NodeStats {
  readonly pid: number;
  readonly uptimeMs: number;
  readonly pool: string;
  /** The shared budget. */
  readonly concurrency: number;
  /** All slots: the shared ones, and those of queues with their own. */
  readonly slots: SlotCounts;
  readonly running: number;
  /** How many tasks of each name ended here. */
  readonly processed: Readonly<Record<string, number>>;
  readonly queues: readonly QueueReport[];
  readonly version: string;
  /** The ids of its processes, where there are several. */
  readonly processes?: readonly number[];
}

/** A queue a node consumes, and how many of its tasks may run there at once. */
export interface QueueReport {
  readonly name: string;
  readonly concurrency: number;
}

/** Where a node sees a task: it runs it, holds it, or its queues do. */
export type TaskPlace = 'active' | 'reserved' | 'scheduled' | 'waiting';

/** What `inspect().queryTask()` reports of one task (Celery: `query_task`). */
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
  /** Fetched, and not running yet. */
  reserved: { args: Record<never, never>; reply: TaskReport[] };
  registered: { args: Record<never, never>; reply: string[] };
  stats: { args: Record<never, never>; reply: NodeStats };
  activeQueues: { args: Record<never, never>; reply: QueueReport[] };
  /** Settings, secrets masked. */
  conf: { args: Record<never, never>; reply: Record<string, unknown> };
  /** Versions and settings as text. */
  report: { args: Record<never, never>; reply: string };
  /** Those the node knows of; the others are left out. */
  queryTask: { args: { ids: readonly string[] }; reply: Record<string, FoundTask> };
  poolGrow: { args: { n: number }; reply: { ok: string } };
  poolShrink: { args: { n: number }; reply: { ok: string } };
  /** From now on the shared budget goes with the load. */
  autoscale: { args: { max: number; min: number }; reply: { ok: string } };
  addConsumer: { args: { queue: string; concurrency?: number }; reply: { ok: string } };
  cancelConsumer: { args: { queue: string }; reply: { ok: string } };
  /** A queue was paused or resumed in the broker; `known` when it had been used before. */
  pause: { args: { queue: string; known: boolean }; reply: { ok: string } };
  resume: { args: { queue: string; known: boolean }; reply: { ok: string } };
  /** The rate of a task was changed in the broker, to this one (`null` for none). */
  rateLimit: { args: { task: string; rate: string | null }; reply: { ok: string } };
  /** ms; `null` for none, absent to leave it as it is. For what starts from now on. */
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
}

export type CommandName = keyof Commands;

/** A worker's answer to each command. A thrown error becomes `{ error }`. */
export type CommandHandlers = {
  [C in CommandName]: (args: Commands[C]['args']) => Commands[C]['reply'] | Promise<Commands[C]['reply']>;
};

/** What a node answers when it could not do it, or when it did not answer. */
export interface ErrorReply {
  readonly error: string;
}

/** What is reported of a node that is there and silent. */
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

/** Workers go by this on the bus, callers do not. */
export const WORKER_MARK = 'worker ';
/** The topic one node listens to. */
export const topicOf = (nodeId: string): string => `node.${nodeId}`;
