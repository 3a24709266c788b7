/**
 * What happens to tasks and workers, as events: every name once, with its fields (Celery: the same names). Plain JSON;
 * never a task's arguments or its value.
 */

/** What every event says. */
interface EventOf<T extends string> {
  readonly type: T;
  /** When it happened, epoch ms by the broker's clock. */
  readonly timestamp: number;
}

/** What every event of a task says. */
interface TaskEventOf<T extends string> extends EventOf<T> {
  /** The task's id. */
  readonly id: string;
  /** The task's name. */
  readonly name: string;
  /** The name it goes by for people, where its call gave one (`shadow`). */
  readonly shadow?: string;
  readonly queue: string;
}

/** What every event of a task in a worker says. */
interface RunEventOf<T extends string> extends TaskEventOf<T> {
  /** The worker. */
  readonly node: string;
  readonly pid: number;
  /** Retries so far. */
  readonly retries: number;
}

interface Origin {
  readonly rootId: string;
  readonly parentId?: string;
  /** Not before, epoch ms. */
  readonly eta?: number;
  /** Not started later than this, epoch ms. */
  readonly expires?: number;
}

/** What a worker says about itself, when it comes and while it lives. */
interface WorkerFacts {
  readonly node: string;
  readonly pid: number;
  /** How many tasks run. */
  readonly active: number;
  /** How many tasks ended here since the worker started. */
  readonly processed: number;
  readonly concurrency: number;
  readonly queues: readonly string[];
  /** The machine's load over 1, 5 and 15 minutes. */
  readonly loadavg: readonly number[];
  /** How often a heartbeat comes, ms. */
  readonly freq: number;
  /** Of celeriac. */
  readonly version: string;
}

/** Every event by its name. */
export interface EventMap {
  /** The broker has it. */
  'task-sent': TaskEventOf<'task-sent'> & Origin;
  /** A worker fetched it. */
  'task-received': RunEventOf<'task-received'> &
    Origin & {
      /** When it was sent, epoch ms. */
      readonly sentAt: number;
      /** How often a worker began it, this time included. */
      readonly deliveries: number;
    };
  'task-started': RunEventOf<'task-started'>;
  /** `this.updateState`. */
  'task-progress': RunEventOf<'task-progress'> & {
    readonly state: string;
    /** As given, when it is small (2,000 characters of JSON). */
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
  'task-revoked': RunEventOf<'task-revoked'> & {
    readonly reason?: string;
    /** Whether it ran by then. */
    readonly terminated: boolean;
    /** Whether nobody revoked it: it was not started in time. */
    readonly expired: boolean;
  };
  /** Given back to others (`requeue`), or refused for good by `throw new Reject()`, which is a failure as well. */
  'task-rejected': RunEventOf<'task-rejected'> & { readonly requeue: boolean };
  'worker-online': EventOf<'worker-online'> & WorkerFacts;
  'worker-heartbeat': EventOf<'worker-heartbeat'> & WorkerFacts;
  'worker-offline': EventOf<'worker-offline'> & WorkerFacts;
}

/** The name of an event. */
export type EventName = keyof EventMap;

/** Something that happened. */
export type AppEvent = EventMap[EventName];

/** How many events were lost: this listener was too slow, or its connection was away. */
export interface EventsLost {
  readonly type: 'events-lost';
  readonly timestamp: number;
  readonly count: number;
}

/** What `app.events()` gives. */
export type FleetEvent = AppEvent | EventsLost;

/** What `app.on` takes. */
export type EventListener<N extends EventName> = (event: EventMap[N]) => unknown;

/** What `app.events()` takes. */
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
  'task-revoked',
  'task-rejected',
  'worker-online',
  'worker-heartbeat',
  'worker-offline',
];
