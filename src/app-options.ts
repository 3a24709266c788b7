/**
 * The options of `new Celeriac(name, options)`, as users see them. `app-options/table` defines which values each
 * accepts.
 */
import type { Container } from './app-options/container.js';
import type { Duration } from './duration.js';
import type { Acceptance } from './options/acceptance.js';
import type { Annotations } from './options/annotations.js';
import type { CompressOption } from './options/compression.js';
import type { Logger } from './options/logger.js';
import type { Routes } from './options/routes.js';
import type { SerializerOption } from './options/serializers.js';
import type { TaskOptions } from './options/task-options.js';
import type { Telemetry } from './queue/tracing.js';
import type { EventDetail } from './tasks/event-details.js';

/** Options of `new Celeriac(name, options)`. */
export interface CeleriacOptions {
  /**
   * Where tasks wait: a URL (`redis:// rediss:// unix:// sentinel:// cluster:// clusters:// postgres:// memory://
   * file://`), an ioredis client, or a `pg.Pool`. Default: `CELERIAC_BROKER_URL`, else `redis://127.0.0.1:6379/0`.
   */
  broker?: string | object;
  /** Separates apps on one broker. Default: `CELERIAC_PREFIX`, else the app's name. */
  prefix?: string;
  /** Queue of calls that no route or option sends elsewhere. Default: `celeriac`. */
  defaultQueue?: string;
  /**
   * The queues there are, beside the default one. A call, task, route or worker that names another is refused, with the
   * nearest name, and a worker without queues of its own takes from all of them. Default: any name is a queue.
   */
  queues?: readonly string[];
  /** Time zone of schedules and moments that name none. Default: `UTC`. */
  timezone?: string;
  /** How long the records of succeeded tasks are kept; `null` for ever. Default: 1 day. */
  resultExpires?: Duration | null;
  /** How long the records of failed and revoked tasks are kept; `null` for ever. Default: 7 days. */
  failureExpires?: Duration | null;
  /** How arguments and results are encoded. Default: the first of `serializers`, else `'json'`. */
  serializer?: SerializerOption;
  /**
   * Serializers that the app reads too, each known by its name: for the change of a key, or for tasks and calls that choose
   * one. The first one writes, unless `serializer` says otherwise. Default: none.
   */
  serializers?: readonly SerializerOption[];
  /**
   * Arguments, results, chunks, steps and states larger than this are stored compressed: bytes, or `'8kb'`; `false` for
   * never. Default: false.
   */
  compress?: CompressOption;
  /** Where log lines go. Default: warnings and errors to the console. */
  logger?: Logger;
  /** Creates the instances of services registered as classes. Default: `new Class()`. */
  container?: Container;
  /** How long a call keeps trying while the broker does not answer. Default: 1 s. */
  publishRetry?: Duration;
  /**
   * When a call counts as accepted: `'written'`, once the broker has the task, or `'replicated'`, once a replica has
   * it too (Redis, Sentinel and Cluster). Default: `'written'`.
   */
  acceptance?: Acceptance;
  /** Largest encoded arguments or result, in bytes, before they are compressed. Default: no limit. */
  maxPayloadBytes?: number;
  /** How long an unresponsive worker keeps a task before others may take it over. Default: 5 s. */
  lockDuration?: Duration;
  /** How long a task may keep the event loop busy before its worker counts as lost. Default: 60 s. */
  blockedLoopTimeout?: Duration;
  /** How long a task with an unknown name is handed back before it fails with NotRegisteredError. Default: 1 minute. */
  unknownTaskGrace?: Duration;
  /** Create or upgrade the PostgreSQL schema on first use. Default: false. */
  migrate?: boolean;
  /**
   * For calls with `transaction` on a broker that no transaction reaches: a `pg.Pool`, or the URL of the database, whose
   * table `celeriac_outbox` (see `celeriac migrate --outbox`) takes the calls. Workers of the app relay them after the
   * commit. Default: `CELERIAC_OUTBOX_URL`, else none.
   */
  outbox?: string | object;
  /** How long the rows of relayed calls are kept in the outbox. Default: 0, removed at once. */
  outboxKeep?: Duration;
  /** `delay()` and `applyAsync()` run the task in this process, without a broker. Default: false. */
  taskAlwaysEager?: boolean;
  /** A failing eager task throws its error at the call. Default: false (Celery: `task_eager_propagates`). */
  taskEagerPropagates?: boolean;
  /** Queue and options of tasks by name. The call's own options win. */
  routes?: Routes;
  /**
   * Traces calls and runs: an object with BullMQ's telemetry interface, such as `new BullMQOtel('app')` of `bullmq-otel`.
   * Default: none.
   */
  telemetry?: Telemetry;
  /** Tasks called inside a task have its priority, unless they or their call have one of their own. Default: false. */
  inheritPriority?: boolean;
  /**
   * What the events of tasks have beside what happened: their arguments, their results, the stacks of their errors. Set it
   * in callers and workers. Default: none of them.
   */
  eventDetails?: readonly EventDetail[];
  /**
   * Task options by task name, glob or regular expression: they beat the task's own options, and a call's own beat both
   * (Celery: `task_annotations`).
   */
  annotations?: Annotations;
  /** Defaults for every task option. */
  taskDefaults?: TaskOptions;
}
