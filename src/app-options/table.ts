/**
 * The options of an app.
 */
import { type Duration, toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { type Acceptance, checkAcceptance } from '../options/acceptance.js';
import type { Annotations } from '../options/annotations.js';
import { checkPrefix, checkQueueName } from '../options/checks.js';
import { type Compression, type CompressOption, checkCompress } from '../options/compression.js';
import { checked, checkedByName, duration, flag, given, of, orForEver } from '../options/kinds.js';
import { checkLogger, type Logger } from '../options/logger.js';
import { option } from '../options/option.js';
import { queueNames } from '../options/queues.js';
import type { Routes } from '../options/routes.js';
import { checkTimezone } from '../options/schedules.js';
import { checkSerializer, checkSerializers, type SerializerOption } from '../options/serializers.js';
import { checkTaskOptions, type TaskOptions } from '../options/task-options.js';
import type { Telemetry } from '../queue/tracing.js';
import { show } from '../show.js';
import { checkEventDetails, type EventDetail } from '../tasks/event-details.js';
import { type Container, checkContainer } from './container.js';
import { checkOutbox, type OutboxOption } from './outbox.js';

/** A century, in place of "for ever": brokers need a finite number. */
export const FOR_EVER_MS = 100 * 365.25 * 24 * 3_600_000;

/** The options of `new Celeriac(name, options)`. */
export const APP_OPTIONS = {
  // The broker is opened at once, and checked there.
  broker: option(given<string | object>('broker'), {
    default: 'redis://127.0.0.1:6379/0',
    env: 'CELERIAC_BROKER_URL',
    doc: 'a URL ([engines](../guide/workers.md#brokers)), an ioredis client, or a `pg.Pool`',
  }),
  prefix: option(checkedByName<string, string>('text', checkPrefix), {
    without: "the app's name",
    env: 'CELERIAC_PREFIX',
    doc: 'separates apps on one broker',
  }),
  defaultQueue: option(checked<string, string>('text', queueByName), {
    default: 'celeriac',
    doc: 'where calls go that no route and no option sends elsewhere',
  }),
  queues: option(checked<readonly string[], readonly string[]>('list', queueNames), {
    without: 'any name is a queue',
    doc: 'the queues there are, beside the default one; then no call, task, route or worker can name another',
  }),
  // Annotations are compiled at once, and checked there.
  annotations: option(given<Annotations>('options by name'), {
    doc: 'task options by task name: see [options by name](../guide/tasks.md#options-by-name); over what a task says itself',
  }),
  // Routes are compiled at once, and checked there.
  routes: option(given<Routes>('routes'), {
    doc: 'queue or options by task name: see [routes](../guide/calling.md#routes); below what a task says itself',
  }),
  inheritPriority: option(flag, {
    default: false,
    doc: 'tasks called inside a task have its priority, unless they or their call have one of their own',
  }),
  taskDefaults: option(checked<TaskOptions, TaskOptions>('options', checkTaskDefaults), {
    default: {},
    without: 'none',
    doc: 'defaults for every task option',
  }),
  serializer: option(checkedByName<SerializerOption, SerializerOption>('serializer', checkSerializer), {
    without: "the first of `serializers`, else `'json'`",
    doc: "`'json'`, `'rich'`, or `{ name, encode, decode }`; see [payloads](../guide/payloads.md)",
  }),
  serializers: option(
    checked<readonly SerializerOption[], readonly SerializerOption[]>('list', checkSerializers),
    {
      without: 'none',
      doc: 'serializers that the app reads too, as when a key is being changed; the first writes, unless `serializer` says otherwise',
    },
  ),
  compress: option(checked<CompressOption, Compression | false>('size', checkCompress), {
    without: '`false`',
    doc: "arguments, results and chunks above this size are stored compressed: `'8kb'`, or `false` for none, see [payloads](../guide/payloads.md)",
  }),
  maxPayloadBytes: option(checkedByName<number, number>('count', checkBytes), {
    without: 'no limit',
    doc: 'largest encoded arguments or result, before they are compressed',
  }),
  resultExpires: option(orForEver(duration, FOR_EVER_MS), {
    default: '1d',
    doc: 'how long records of succeeded tasks are kept; `null` for ever',
  }),
  failureExpires: option(orForEver(duration, FOR_EVER_MS), {
    default: '7d',
    doc: 'how long records of failed and revoked tasks are kept; `null` for ever',
  }),
  publishRetry: option(duration, {
    default: '1s',
    doc: 'how long a call keeps trying while the broker does not answer',
  }),
  acceptance: option(checkedByName<Acceptance, Acceptance>('one of', checkAcceptance), {
    default: 'written',
    doc: "`'replicated'`: a call resolves once a replica of the Redis broker has its task",
  }),
  lockDuration: option(
    of<Duration, number, 'Ms'>('duration', 'Ms', (value, _name, { where }) => checkLock(value, where)),
    {
      default: '5s',
      doc: 'how long a silent worker keeps a task before others may take it over; 500 ms or more',
    },
  ),
  blockedLoopTimeout: option(duration, {
    default: '60s',
    doc: 'how long a task may keep the event loop busy before its worker counts as lost',
  }),
  unknownTaskGrace: option(duration, {
    default: '1m',
    doc: 'how long an unknown task is handed back from when it was first met (which is logged) before it fails',
  }),
  migrate: option(flag, { default: false, doc: 'create or upgrade the PostgreSQL schema on first use' }),
  outbox: option(checkedByName<OutboxOption, OutboxOption>('pool', checkOutbox), {
    env: 'CELERIAC_OUTBOX_URL',
    doc: 'a `pg.Pool` or URL of your database, for calls in a transaction of it with another broker: see [the outbox](../guide/outbox.md)',
  }),
  outboxKeep: option(duration, { default: 0, doc: 'how long rows of relayed calls stay in the outbox' }),
  taskAlwaysEager: option(flag, {
    default: false,
    doc: 'calls run here and now, without a broker: see [calling](../guide/calling.md#here-and-now)',
  }),
  taskEagerPropagates: option(flag, {
    default: false,
    doc: 'a task that fails here and now throws its error at the call',
  }),
  logger: option(checkedByName<Logger, Logger>('logger', checkLogger), {
    without: 'warnings and errors to the console',
    doc: '`{ debug, info, warn, error }`, each `(fields, message)`; a pino logger fits',
  }),
  container: option(checkedByName<Container, Container>('container', checkContainer), {
    without: '`new Class()`',
    doc: '`{ get(cls) }`, makes instances of services registered as classes',
  }),
  telemetry: option(checkedByName<Telemetry, Telemetry>('telemetry', checkTelemetry), {
    doc: "an object with BullMQ's telemetry interface (`bullmq-otel`): see [traces](../guide/monitoring.md#traces)",
  }),
  eventDetails: option(
    checkedByName<readonly EventDetail[], readonly EventDetail[]>('list', checkEventDetails),
    {
      default: [],
      without: 'none',
      doc: "what [events](../guide/monitoring.md#details) have beside what happened: `'args'`, `'result'`, `'stack'`",
    },
  ),
  timezone: option(checkedByName<string, string>('text', checkTimezone), {
    default: 'UTC',
    doc: 'the zone of [schedules](../guide/schedules.md) and moments that name none: an IANA name',
  }),
};

function queueByName(queue: unknown, where: string): string {
  checkQueueName(queue, where);
  return queue;
}

function checkTaskDefaults(given: unknown, where: string): TaskOptions {
  const options = given as TaskOptions;
  if (options?.batch != null)
    throw new OptionError(
      `${where}: batch decides what the code of a task gets, so it stands with the task and not here; got ${show(options.batch)}.`,
    );
  checkTaskOptions(options, where);
  if (options.schedule === undefined) return options;
  throw new OptionError(`${where}: a schedule belongs to one task. Give it there.`);
}

function checkBytes(bytes: unknown, where: string): number {
  if (typeof bytes === 'number' && Number.isInteger(bytes) && bytes > 0) return bytes;
  throw new OptionError(`${where}: maxPayloadBytes must be a whole number of bytes; got ${show(bytes)}.`);
}

function checkLock(duration: unknown, where: string): number {
  const lockMs = toPositiveMs(duration, `${where}: lockDuration`);
  if (lockMs >= 500) return lockMs;
  throw new OptionError(
    `${where}: lockDuration ${lockMs} ms is too short to be renewed in time; use 500ms or more.`,
  );
}

function checkTelemetry(telemetry: unknown, where: string): Telemetry {
  const { tracer, contextManager } = Object(telemetry) as Partial<Telemetry>;
  const whole =
    typeof tracer?.startSpan === 'function' &&
    (['with', 'active', 'getMetadata', 'fromMetadata'] as const).every(
      (method) => typeof contextManager?.[method] === 'function',
    );
  if (whole) return telemetry as Telemetry;
  throw new OptionError(
    `${where}: telemetry must be an object with BullMQ's telemetry interface { tracer, contextManager, meter? }, such as ` +
      `new BullMQOtel('app') of the package bullmq-otel; got ${show(telemetry)}.`,
  );
}
