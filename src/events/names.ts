/**
 * What happens to tasks and workers, as events: every name once, with its fields (Celery: the same names). Plain JSON;
 * never a task's arguments or its value.
 */

import type { WaitingFor } from '../protocol/waiting.js';

/** Fields of every event. */
interface EventOf<T extends string> {
  readonly type: T;
  /** When it happened, epoch ms by the broker's clock. */
  readonly timestamp: number;
}

/** Fields of every event of a task. */
interface TaskEventOf<T extends string> extends EventOf<T> {
  /** The task's id. */
  readonly id: string;
  /** The task's name. */
  readonly name: string;
  /** The task's display name, if its call gave one (`shadow`). */
  readonly shadow?: string;
  /** The task's tags, if it has any. */
  readonly tags?: readonly string[];
  readonly queue: string;
}

/** Fields of every event of a task on a worker. */
interface RunEventOf<T extends string> extends TaskEventOf<T> {
  /** The worker's node name. */
  readonly node: string;
  readonly pid: number;
  /** Retries so far. */
  readonly retries: number;
}

interface Origin {
  readonly rootId: string;
  readonly parentId?: string;
  /** Earliest start, epoch ms. */
  readonly eta?: number;
  /** Latest start, epoch ms. */
  readonly expires?: number;
}

/** What a worker reports about itself, at its start and in heartbeats. */
interface WorkerFacts {
  readonly node: string;
  readonly pid: number;
  /** Number of running tasks. */
  readonly active: number;
  /** Number of tasks ended here since the worker started. */
  readonly processed: number;
  readonly concurrency: number;
  readonly queues: readonly string[];
  /** The machine's load over 1, 5 and 15 minutes. */
  readonly loadavg: readonly number[];
  /** Interval of heartbeats, ms. */
  readonly freq: number;
  /** Version of celeriac. */
  readonly version: string;
}

/** What somebody may change from the page, or over its API. */
export const CONTROL_ACTIONS = [
  'call',
  'revoke',
  'retry',
  'delete',
  'run-now',
  'pause',
  'resume',
  'purge',
  'control',
  'schedule',
] as const;

/** One of {@link CONTROL_ACTIONS}. */
export type ControlAction = (typeof CONTROL_ACTIONS)[number];

/** Fields of every event of a change that somebody made. */
interface ControlFacts {
  /** Who it was, as the page's `authorize` said. */
  readonly who?: string;
  /** What was changed: a task's id or name, a queue, a worker, a schedule, or a filter. */
  readonly target: string;
  /** How many. */
  readonly touched: number;
}

type ControlEvents = {
  [A in ControlAction as `control-${A}`]: EventOf<`control-${A}`> & ControlFacts;
};

/** All events by name. */
export interface EventMap extends ControlEvents {
  /** The broker has the task. */
  'task-sent': TaskEventOf<'task-sent'> & Origin;
  /** A worker fetched the task. */
  'task-received': RunEventOf<'task-received'> &
    Origin & {
      /** When it was sent, epoch ms. */
      readonly sentAt: number;
      /** How many times a worker began the task, this time included. */
      readonly deliveries: number;
    };
  'task-started': RunEventOf<'task-started'>;
  /** `this.updateState`. */
  'task-progress': RunEventOf<'task-progress'> & {
    readonly state: string;
    /** As given, if small (up to 2,000 characters of JSON). */
    readonly meta?: unknown;
  };
  'task-succeeded': RunEventOf<'task-succeeded'> & {
    /** How long it ran, ms. */
    readonly runtime: number;
  };
  'task-failed': RunEventOf<'task-failed'> & { readonly runtime: number; readonly exception: string };
  'task-retried': RunEventOf<'task-retried'> & {
    readonly runtime: number;
    readonly exception: string;
    /** When it runs again, ms from now. */
    readonly countdown: number;
  };
  /** Sleeps or waits: this stretch of its attempt is over, and it holds no slot until the next. */
  'task-waiting': RunEventOf<'task-waiting'> & {
    /** How long the stretch ran, ms. */
    readonly runtime: number;
    /** What it waits for, until when (epoch ms). */
    readonly waits: readonly WaitingFor[];
  };
  'task-revoked': RunEventOf<'task-revoked'> & {
    readonly reason?: string;
    /** True if the task ran by then. */
    readonly terminated: boolean;
    /** True if the task expired before its start and was not revoked by a caller. */
    readonly expired: boolean;
  };
  /** Handed back to the queue (`requeue`), or rejected for good by `throw new Reject()`, which is also a failure. */
  'task-rejected': RunEventOf<'task-rejected'> & { readonly requeue: boolean };
  'worker-online': EventOf<'worker-online'> & WorkerFacts;
  'worker-heartbeat': EventOf<'worker-heartbeat'> & WorkerFacts;
  'worker-offline': EventOf<'worker-offline'> & WorkerFacts;
}

/** The name of an event. */
export type EventName = keyof EventMap;

/** Something that happened. */
export type AppEvent = EventMap[EventName];

/** The number of lost events: this listener was too slow, or its connection was away. */
export interface EventsLost {
  readonly type: 'events-lost';
  readonly timestamp: number;
  readonly count: number;
}

/** The events of `app.events()`. */
export type FleetEvent = AppEvent | EventsLost;

/** A listener for `app.on`. */
export type EventListener<N extends EventName> = (event: EventMap[N]) => unknown;

/** Options of `app.events()`. */
export interface EventsOptions {
  /** Ends the loop. */
  signal?: AbortSignal;
}

/** Every name. */
export const EVENT_NAMES: readonly EventName[] = [
  'task-sent',
  'task-received',
  'task-started',
  'task-progress',
  'task-succeeded',
  'task-failed',
  'task-retried',
  'task-waiting',
  'task-revoked',
  'task-rejected',
  'worker-online',
  'worker-heartbeat',
  'worker-offline',
  ...CONTROL_ACTIONS.map((action) => `control-${action}` as const),
];
