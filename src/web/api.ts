/**
 * What the REST interface answers, and what it takes: the types of its JSON, for the server and for the page. Moments
 * are ISO 8601 strings, durations milliseconds; what is unknown or absent is `null`. Only types: the page imports this
 * file too.
 */

import type { WorkerLimits } from './worker-limits.js';

/** Names of its errors: `code` of every answer that is no success. */
export interface ApiError {
  readonly code: string;
  readonly message: string;
}

/** An error of a task, in short. */
export interface RunError {
  readonly name: string;
  readonly message: string;
}

/** A task that was called: one line of a list. */
export interface Run {
  readonly id: string;
  readonly name: string;
  /** A built-in state, or one of the task's own. */
  readonly state: string;
  readonly queue: string;
  readonly tags: readonly string[];
  /** The arguments as a short text; long ones are cut, or their size is given. */
  readonly args: string;
  readonly worker: string | null;
  /** The number of the attempt that runs, ran last or comes next, from 0. */
  readonly attempt: number;
  readonly retries: number;
  readonly deliveries: number;
  readonly priority: number | null;
  readonly parentId: string | null;
  readonly rootId: string;
  /** The workflow that it is a part of. */
  readonly workflowId: string | null;
  readonly sentAt: string | null;
  readonly startedAt: string | null;
  readonly doneAt: string | null;
  /** When it is due, where that is later than its call. */
  readonly eta: string | null;
  /** How long it has run, from its last start to its end or until now. */
  readonly runtime: number | null;
  /** How long it waited from when it was due to its last start. */
  readonly wait: number | null;
  readonly error: RunError | null;
  /** What it reported last with `updateState`; in WAITING what it waits for. */
  readonly meta: unknown;
}

/** `GET runs` */
export interface RunList {
  readonly runs: readonly Run[];
  /** For the next page: the query parameter `cursor`. `null` after the last one. */
  readonly next: string | null;
  /** How many tasks were read for this answer. */
  readonly looked: number;
  /** `true` when nothing is left to look at; else `next` goes on, even when this page is empty. */
  readonly complete: boolean;
}

/** Query of `GET runs`, and the `filter` of changes to many. All that is given must hold. */
export interface RunFilter {
  /** One state or several. */
  readonly state?: string | readonly string[];
  /** The task's name, with `*` for any text. */
  readonly name?: string;
  readonly queue?: string;
  readonly tag?: string;
  readonly worker?: string;
  /** The beginning of its id. */
  readonly id?: string;
  /** Text in its arguments, in any case. */
  readonly text?: string;
  /** Sent at or after this moment. */
  readonly after?: string;
  /** Sent before this moment. */
  readonly before?: string;
}

/** Whether the latest or the earliest come first. */
export type RunSort = 'newest' | 'oldest';

/** An attempt of a task, as far as the broker has kept it. */
export interface RunAttempt {
  /** From 0. */
  readonly attempt: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly worker: string | null;
  readonly error: (RunError & { readonly stack: string | null }) | null;
}

/** A step, sleep or wait of a task. */
export interface RunStep {
  readonly name: string;
  readonly kind: 'step' | 'sleep' | 'wait';
  readonly startedAt: string;
  /** `null` while it is not over. */
  readonly doneAt: string | null;
}

/** A task that another one belongs with. */
export interface RunLink {
  readonly id: string;
  readonly name: string;
  readonly state: string;
}

/** Something that happened to a task. */
export interface TimelineEntry {
  readonly at: string;
  /** `sent`, `due`, `started`, `retry`, `step`, `sleep`, `wait`, `progress`, `succeeded`, `failed`, `revoked`. */
  readonly what: string;
  readonly detail: string | null;
}

/** `GET runs/{id}` */
export interface RunDetail extends Run {
  /** The arguments in full, as JSON. */
  readonly argsFull: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
  /** The options of its call that its message has. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The result in SUCCESS, as JSON. */
  readonly value: unknown;
  /** The stack of its error. */
  readonly stack: string | null;
  readonly attempts: readonly RunAttempt[];
  readonly steps: readonly RunStep[];
  /** The chunks that are kept of what it yields: from index `first` on, up to `next`. */
  readonly stream: { readonly attempt: number; readonly first: number; readonly next: number } | null;
  /** Tasks that it called, and parts of its workflow. */
  readonly children: readonly RunLink[];
  /** Its caller, the caller of that one, …; the nearest first. */
  readonly ancestors: readonly RunLink[];
  readonly timeline: readonly TimelineEntry[];
}

/** `GET runs/{id}/chunks` */
export interface ChunkList {
  readonly chunks: readonly { readonly index: number; readonly at: string | null; readonly value: unknown }[];
  /** The query parameter `from` of the next page. */
  readonly next: number;
  readonly attempt: number;
}

export type GraphNodeKind = 'task' | 'chain' | 'group' | 'chord';

/** A part of a workflow. */
export interface GraphNode {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly kind: GraphNodeKind;
  /** The node that contains it. */
  readonly parent: string | null;
  /** For a group or a chord: how many members it has, and their states. */
  readonly count?: number;
  readonly states?: Readonly<Record<string, number>>;
  /** Its members are not in `nodes`, or only a page of them: `?open=ID&from=N` shows a page. */
  readonly folded?: boolean;
}

/** `GET runs/{id}/graph` */
export interface RunGraph {
  readonly kind: GraphNodeKind;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  /** Tasks in the workflow, and how many of them are in `nodes`. */
  readonly total: number;
  readonly shown: number;
}

/** Events per second. */
export interface Rates {
  readonly sent: number;
  readonly started: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly retried: number;
}

/** Five seconds: how many of each, and percentiles of runtime and wait (`null` without any). */
export interface SeriesPoint extends Rates {
  readonly at: string;
  readonly runtimeP50: number | null;
  readonly runtimeP95: number | null;
  readonly waitP50: number | null;
  readonly waitP95: number | null;
}

/** Numbers of tasks by state, as `app.queues.list()` gives them. */
export interface TaskNumbers {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly waitingChildren: number;
  readonly failed: number;
  readonly finished: number;
}

/** The sizes of all queues together. */
export interface QueueTotals extends TaskNumbers {
  readonly count: number;
  /** How many are paused. */
  readonly paused: number;
}

/** `GET overview` */
export interface Overview {
  readonly app: string;
  /** Where the broker is, without its password. */
  readonly broker: string;
  readonly versions: { readonly celeriac: string; readonly node: string; readonly bullmq: string };
  /** Now, by the broker's clock. */
  readonly at: string;
  /** `true`: changes are refused, and the page shows no actions. */
  readonly readOnly: boolean;
  /** Since when this process has listened; `null` when nobody has looked yet. */
  readonly since: string | null;
  /** Over the last 10 s. */
  readonly rates: { readonly perSecond: Rates };
  /** Oldest first. Counts of each five seconds. */
  readonly series: readonly SeriesPoint[];
  readonly queues: QueueTotals;
  readonly workers: { readonly online: number; readonly busy: number; readonly slots: number };
  /** The latest ten failures. */
  readonly failures: readonly Run[];
}

/** A task by its name. Counts and percentiles are of what this process has seen. */
export interface TaskSummary {
  readonly name: string;
  readonly queues: readonly string[];
  /** The workers that have it. */
  readonly nodes: readonly string[];
  /** By state. */
  readonly counts: Readonly<Record<string, number>>;
  readonly p50: number | null;
  readonly p95: number | null;
  /** Failures of 1. `null` when none has ended. */
  readonly failureRate: number | null;
  readonly lastError: (RunError & { readonly at: string; readonly id: string }) | null;
  /** A JSON schema of its argument list, where its declaration gives one. */
  readonly schema: Readonly<Record<string, unknown>> | null;
  /** Its declared options, where this process has its code. */
  readonly options: Readonly<Record<string, unknown>> | null;
}

/** `GET tasks` */
export interface TaskList {
  readonly tasks: readonly TaskSummary[];
}

/** A worker. */
export interface WorkerView {
  readonly node: string;
  readonly online: boolean;
  readonly pool: string | null;
  readonly pid: number | null;
  readonly host: string | null;
  readonly version: string | null;
  readonly concurrency: number | null;
  readonly slots: { readonly size: number; readonly used: number; readonly free: number } | null;
  readonly autoscale: { readonly min: number; readonly max: number } | null;
  readonly queues: readonly string[];
  /** Load of the CPUs by the process, 1 for one whole CPU; `null` where the worker does not report it. */
  readonly cpu: number | null;
  /** Resident memory, bytes. */
  readonly memory: number | null;
  readonly uptime: number | null;
  /** Tasks ended since it started, or since this process listens. */
  readonly processed: number | null;
  readonly failed: number | null;
  /** What runs there now; the first 200. */
  readonly active: readonly Run[];
  readonly limits: WorkerLimits;
  /** Why its answer is missing. */
  readonly error: string | null;
}

/** `GET workers` */
export interface WorkerList {
  readonly workers: readonly WorkerView[];
}

/** A queue. */
export interface QueueView extends TaskNumbers {
  readonly name: string;
  readonly paused: boolean;
  /** Tasks that ended per second over the last 10 s; `null` when nobody has looked yet. */
  readonly rate: number | null;
  /** Half of the tasks started sooner than this after they were due, ms. */
  readonly latency: number | null;
  /** The nodes that consume it. */
  readonly workers: readonly string[];
}

/** `GET queues` */
export interface QueueList {
  readonly queues: readonly QueueView[];
}

/** When a schedule ticks, as `POST schedules` and `PUT schedules/{name}` take it too. */
export type ScheduleSpec = (
  | { readonly kind: 'every'; readonly every: number | string; readonly aligned?: boolean }
  | { readonly kind: 'crontab'; readonly crontab: string }
  | { readonly kind: 'at'; readonly at: string }
  /** By code of its own; read only. */
  | { readonly kind: 'own' }
) &
  ScheduleSpecBounds;

/** What every kind of schedule may have. */
export interface ScheduleSpecBounds {
  readonly timezone?: string;
  /** No tick is earlier: ISO 8601. */
  readonly startAt?: string;
  /** No tick is later: ISO 8601. */
  readonly endAt?: string;
  /** Each task starts up to this much later than its tick: ms, or a duration as text. */
  readonly jitter?: number | string;
  /** Which missed ticks are made up for. Absent: `last`. */
  readonly catchUp?: 'last' | 'all' | 'none';
}

/** A schedule. */
export interface ScheduleView {
  readonly name: string;
  readonly task: string;
  readonly spec: ScheduleSpec;
  /** The same in words, such as `every 5m`. */
  readonly text: string;
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly paused: boolean;
  /** Declared by code, or set at runtime. */
  readonly source: 'code' | 'runtime';
  /** The next five ticks; empty while it is paused. */
  readonly next: readonly string[];
  readonly lastAt: string | null;
  readonly lastTaskId: string | null;
  readonly history: readonly {
    readonly at: string;
    readonly taskId: string | null;
    readonly late: number | null;
  }[];
}

/** `GET schedules` */
export interface ScheduleList {
  readonly schedules: readonly ScheduleView[];
}

/** Failed tasks with the same error. */
export interface FailedGroup {
  /** The name of the error. */
  readonly error: string;
  /** The message of the latest one. */
  readonly message: string;
  readonly task: string;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  /** The newest 100. */
  readonly ids: readonly string[];
}

/** `GET failed` */
export interface FailedList {
  readonly groups: readonly FailedGroup[];
  readonly looked: number;
  readonly complete: boolean;
}

/** A limit over the fleet. */
export interface LimitView {
  readonly task: string;
  /** Such as `10/s`; `null` without one. */
  readonly rate: string | null;
  readonly concurrency: number | null;
  /** ms, of later runs; the shortest one where workers differ, as each of them says in `GET workers`. */
  readonly timeLimit: number | null;
  readonly softTimeLimit: number | null;
}

/** `GET limits` */
export interface LimitList {
  readonly limits: readonly LimitView[];
}
