/**
 * What happens to tasks and workers, as events: every name once, with its fields (Celery: the same names). Plain JSON;
 * never a task's arguments, its value or a stack unless the app says so. A task's own events stand beside them.
 */

import type { WaitingFor } from '../protocol/waiting.js';
import { FAILURE, PENDING, RETRY, REVOKED, STARTED, SUCCESS, WAITING } from '../states.js';
import type { OwnEvents } from '../tasks/own-events.js';

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

/** With the option `eventDetails`, cut where it is long. */
interface WithArgs {
  readonly args?: readonly unknown[];
}

interface WithStack {
  /** The stack of the error, with the option `eventDetails`, cut where it is long. */
  readonly stack?: string;
}

interface Origin extends WithArgs {
  readonly rootId: string;
  readonly parentId?: string;
  /** Earliest start, epoch ms. */
  readonly eta?: number;
  /** Latest start, epoch ms. */
  readonly expires?: number;
}

/** What a worker reports about itself, at its start and in heartbeats. */
export interface WorkerFacts {
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

/** The events that tasks send by `this.sendEvent`, where they are declared. */
type OwnEventMap = {
  [N in keyof OwnEvents]: RunEventOf<N> & OwnEvents[N];
};

/**
 * Where something of a worker's life happens: in a worker that runs its tasks in its own process, in the supervisor of
 * several processes (which runs none), in one of those, or in a thread of a worker.
 */
export type LifecyclePlace = 'worker' | 'supervisor' | 'process' | 'thread';

interface LifecycleEventOf<T extends string> extends EventOf<T> {
  /** The worker's node name; final from `worker-ready` on. */
  readonly node: string;
  readonly pid: number;
  readonly place: LifecyclePlace;
  /** In a thread: its id, as `node:worker_threads` has it. */
  readonly threadId?: number;
}

/** The life of a worker, for the listeners of its own process or thread: never sent to others. */
interface LifecycleEvents {
  /** Starts: services are not created yet, no task runs. */
  'worker-init': LifecycleEventOf<'worker-init'>;
  /** Takes tasks. */
  'worker-ready': LifecycleEventOf<'worker-ready'>;
  /** Takes no more tasks; running ones may go on. */
  'worker-shutting-down': LifecycleEventOf<'worker-shutting-down'>;
  /** Has stopped: no task runs any more. */
  'worker-stopped': LifecycleEventOf<'worker-stopped'>;
}

/** The name of a lifecycle event. */
export type LifecycleName = keyof LifecycleEvents;

/** Something of the life of a worker. */
export type LifecycleEvent = LifecycleEvents[LifecycleName];

/** All events by name. */
export interface EventMap extends ControlEvents, OwnEventMap, LifecycleEvents {
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
    /** With the option `eventDetails`, cut where it is long. */
    readonly result?: unknown;
  };
  'task-failed': RunEventOf<'task-failed'> &
    WithStack & { readonly runtime: number; readonly exception: string };
  'task-retried': RunEventOf<'task-retried'> &
    WithStack & {
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
  /**
   * It stopped being heard without having gone: killed, frozen, cut off. Each loop says it once, and so does `app.on` in
   * one of the workers left. It may be heard again.
   */
  'worker-lost': EventOf<'worker-lost'> & {
    readonly node: string;
    readonly pid?: number;
    /** When it was last heard, epoch ms. */
    readonly seenAt?: number;
  };
}

/** The name of an event. */
export type EventName = keyof EventMap;

/** Something that happened, for all who listen to the fleet. */
export type AppEvent = EventMap[Exclude<EventName, LifecycleName>];

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

/** The names of lifecycle events. */
export const LIFECYCLE_NAMES: readonly LifecycleName[] = [
  'worker-init',
  'worker-ready',
  'worker-shutting-down',
  'worker-stopped',
];

/** Every name of celeriac's. */
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
  'worker-lost',
  ...LIFECYCLE_NAMES,
  ...CONTROL_ACTIONS.map((action) => `control-${action}` as const),
];

/** The state of a task after an event. */
export const STATE_AFTER: ReadonlyMap<string, string> = new Map([
  ['task-sent', PENDING],
  ['task-started', STARTED],
  ['task-succeeded', SUCCESS],
  ['task-failed', FAILURE],
  ['task-retried', RETRY],
  ['task-waiting', WAITING],
  ['task-revoked', REVOKED],
]);
