/**
 * Makes the parts of an app that send, read and control, and connects them: everything except its tasks and workers.
 */
import type { AppConfig } from './app-options/resolve.js';
import type { CeleriacOptions } from './app-options.js';
import { type Engine, type EngineConfig, sortsKeys } from './broker/broker.js';
import { BrokerClock } from './broker/clock.js';
import { engineOf, type Ground } from './broker/ground.js';
import { openEngine } from './broker/open.js';
import type { PgPool } from './broker/postgres/driver.js';
import type { PostgresTarget } from './broker/postgres/server.js';
import type { InTransaction } from './calls/in-transaction.js';
import { Sender } from './calls/sender.js';
import { UniqueCalls } from './calls/unique.js';
import { recordPurged } from './canvas/workflow/purged-part.js';
import type { PlainSource } from './canvas/workflow/results.js';
import { Workflows } from './canvas/workflow/workflows.js';
import { type Asking, Caller } from './control/caller.js';
import { Control } from './control/control.js';
import { FailedTasks } from './control/failed.js';
import { OwnCommands } from './control/own-commands.js';
import { Queues } from './control/queues.js';
import { BUILT_IN_COMMANDS } from './control/requests.js';
import { RateLimits } from './coordination/rate-limits.js';
import { TaskIdIndex } from './coordination/task-id-index.js';
import { Events } from './events/events.js';
import { acceptanceRule } from './options/acceptance.js';
import type { Logger } from './options/logger.js';
import { compileRoutes } from './options/routes.js';
import { IdSource } from './protocol/ids.js';
import type { ErrorClasses } from './protocol/wire-error.js';
import { Producer } from './queue/producer.js';
import { RawQueues } from './queue/raw-queues.js';
import { Tracing } from './queue/tracing.js';
import { Feed } from './results/feed.js';
import { revokeAll } from './results/revoke.js';
import { taggedTasks } from './results/tagged.js';
import { TaskReader } from './results/task-reader.js';
import type { ScheduleHost } from './schedules/scheduled-calls.js';
import { Schedules } from './schedules/schedules.js';
import { settleAll } from './settle-all.js';
import { EngineStepping } from './steps/engine-stepping.js';
import { TaskSteps } from './steps/task-steps.js';
import { WaitSchemas } from './steps/wait-schemas.js';
import { StreamWriters } from './streams/stream-writers.js';
import { InflationBudget } from './tasks/compression.js';
import { EventDetails } from './tasks/event-details.js';
import type { PublishMiddleware } from './tasks/middleware.js';
import { targetOf } from './tasks/reference.js';
import { Registry } from './tasks/registry.js';
import { Serializers } from './tasks/serializers.js';
import { WireCodec } from './tasks/wire-codec.js';
import { Outbox } from './transactions/outbox/outbox.js';
import type { CallScope } from './transactions/scope.js';
import { within } from './worker/within.js';

export interface AppPartsParams {
  readonly name: string;
  readonly config: AppConfig;
  /** The engine to use instead of opening one, as in a worker thread. */
  readonly engine: Engine | undefined;
  /** The caller of remote control to use instead of the app's own, as in a worker thread. */
  readonly caller: Asking | undefined;
  readonly routes: CeleriacOptions['routes'];
  readonly errors: ErrorClasses;
  readonly registry: Registry;
  readonly middleware: readonly PublishMiddleware[];
  logger(): Logger;
}

/** Makes the registry of an app's tasks, which knows its serializers. */
export function makeRegistry(
  { rules, serializer, serializers, maxPayloadBytes }: AppConfig,
  errors: ErrorClasses,
  logger: () => Logger,
): Registry {
  return new Registry(rules, errors, logger, new Serializers(serializer, serializers, maxPayloadBytes));
}

export type AppParts = ReturnType<typeof makeParts>;

const A_DAY_MS = 86_400_000;
/** What the compressed fields of one packet of events may hold, an eighth of it, bytes. */
const MOST_SEALED = 128_000;

/** Makes the parts; does no I/O. */
export function makeParts(params: AppPartsParams) {
  const { name, config, errors } = params;
  const ids = new IdSource();
  const codec = new WireCodec(params.registry.serializers, {
    maxBytes: config.maxPayloadBytes,
    compress: config.compress,
    sortsKeys: () => sortsKeys(ground.engine),
    policyOf: (task) => params.registry.get(task)?.publish,
  });
  const connecting: EngineConfig = {
    prefix: config.prefix,
    // Drivers pass this to their own timers, which overflow beyond 24.8 days.
    connectTimeoutMs: Math.min(config.publishRetryMs, A_DAY_MS),
    migrate: config.migrate,
    onTrouble: (message, error) => params.logger().error({ error }, message),
    onRecovered: (message, awayMs) => params.logger().warn({ awayMs }, message),
  };
  const open = (broker: string | object) => openEngine(broker, connecting);
  const ground: Ground = { engine: params.engine ?? open(config.broker) };
  const engine = engineOf(ground);
  const clock = new BrokerClock(engine, config.publishRetryMs);
  const workflows = new Workflows({ ...config, engine, clock });
  const tasks = new TaskReader(engine, workflows.parts);
  engine.signals.expect(ids);
  const rates = new RateLimits(engine, clock);
  const events = new Events({
    engine,
    clock,
    logger: params.logger,
    opener: () => {
      const within = new InflationBudget(MOST_SEALED);
      return (sealed) => codec.decodeResult(sealed, within);
    },
    details:
      config.eventDetails.length === 0
        ? undefined
        : new EventDetails(config.eventDetails, codec, (task) => params.registry.get(task)),
  });
  const tracing = config.telemetry && new Tracing(config.telemetry);
  const feed = new Feed(engine, tasks, clock);
  const index = new TaskIdIndex(engine, tasks, clock, config.publishRetryMs);
  const { kind, address } = ground.engine;
  const accepted = acceptanceRule(config.acceptance, kind !== 'postgres' && kind !== 'embedded', address);
  // Throws now for an acceptance that this broker can never provide.
  if (!config.taskAlwaysEager) accepted(undefined);
  const producer = new Producer(engine, config.publishRetryMs, accepted);
  const caller: Asking =
    params.caller ??
    new Caller(engine, config.prefix, (error) => {
      if (!engine.isUnavailable(error)) params.logger().warn({ error }, `control bus: ${error.message}`);
    });
  const sending = { engine, clock, producer, ids, index };
  const unique = new UniqueCalls(engine, tasks, clock, config.publishRetryMs);
  const decoding = {
    classes: errors,
    decodeArgs: (encoded: unknown) => codec.decodeArgs(encoded),
    decodeResult: (encoded: unknown) => codec.decodeResult(encoded),
    taskOf: (task: string) => params.registry.get(task),
  };
  const schemas = new WaitSchemas();
  const plain: PlainSource = {
    engine,
    tasks,
    feed,
    clock,
    decoding,
    endRunning: async (jobIds, reason) => {
      await caller.ask('revoke', { jobIds, ...(reason !== undefined && { reason }) });
    },
    forgetRunning: async (jobIds) => {
      await caller.ask('forget', { jobIds });
    },
    locate: (taskId) => index.locate(taskId),
    steps: new TaskSteps({ engine, tasks, clock, codec, schemas }),
  };
  const writing = {
    clock,
    ids,
    middleware: params.middleware,
    router: compileRoutes(params.routes, `new Celeriac('${name}'): routes`, config.queues),
    defaultQueue: config.defaultQueue,
    queues: config.queues,
    timezone: config.timezone,
    codec,
    tracing,
  };
  const inTransaction: InTransaction<CallScope> = async (transaction, body) => {
    const calls = await import('./transactions/scope.js');
    const scoped = {
      acceptance: accepted,
      engine,
      sending: { ...writing, results },
      workflows: config,
      results: flows.results,
      plain,
      outbox,
    };
    return calls.inTransaction(scoped, transaction, body);
  };
  const flows = workflows.connect({
    ...sending,
    jobs: tasks.jobs,
    unique,
    tracing,
    inTransaction,
    results: plain,
    sender: (source) => new Sender({ ...sending, ...writing, unique, results: source, events }),
  });
  const { sender } = flows;
  const results = flows.results.source;
  const { failureExpiresMs } = config;
  const queues = new Queues({
    engine,
    clock,
    index,
    failureExpiresMs,
    onPart: (ended) => recordPurged(flows, ended),
  });
  const failed = new FailedTasks({ engine, tasks, clock, index, unique, decoding });
  const control = new Control(
    caller,
    {
      queues,
      revokeAll: (taskIds, revocation) => revokeAll(results, taskIds, revocation),
      tagged: (tag) => taggedTasks(engine, tag),
      setRate: (task, rate) => rates.set(task, rate),
    },
    config.queues,
  );
  const commands = new OwnCommands(BUILT_IN_COMMANDS);
  const outbox = new Outbox({
    name,
    prefix: config.prefix,
    target: targetOfOutbox(config.outbox),
    keepMs: config.outboxKeepMs,
    database: connecting,
    engine,
    recording: () => ({ engine, tasks, clock, index, unique, acceptance: accepted }),
    replay: () => ({ engine, tasks, clock, unique, launcher: flows.launcher, ...config }),
    logger: params.logger,
  });
  const raw = new RawQueues({
    engine,
    telemetry: config.telemetry,
    declared: config.queues,
    onError: (error) => params.logger().warn({ error }, `app.bullmq(): ${error.message}`),
  });
  const scheduling: ScheduleHost = {
    engine,
    clock,
    codec,
    sender,
    registry: params.registry,
    timezone: config.timezone,
    logger: params.logger,
    reference: (task) => targetOf(task, config.rules),
  };
  return {
    ground,
    open,
    engine,
    tasks,
    ids,
    codec,
    clock,
    rates,
    events,
    tracing,
    feed,
    index,
    caller,
    flows,
    results,
    sender,
    inTransaction,
    queues,
    failed,
    control,
    commands,
    outbox,
    raw,
    working: { engine, tasks, index, rates, caller, commands, events, outbox },
    scheduling,
    running: {
      clock,
      codec,
      tracing,
      stepping: new EngineStepping({ engine, clock, codec, tracing, schemas }),
      streams: new StreamWriters({ engine, clock, codec }),
    },
    schedules: new Schedules(scheduling),
  };
}

function targetOfOutbox(outbox: AppConfig['outbox']): PostgresTarget | undefined {
  if (outbox === undefined) return undefined;
  return typeof outbox === 'string' ? { url: outbox } : { pool: outbox as PgPool };
}

/** Closing takes about this long at most, even with an unreachable broker, ms. */
const CLOSE_MS = 5000;

/** Stops the workers, then closes all parts, even when some of them fail. Rejects with the first failure. */
export async function closeParts(
  parts: Pick<AppParts, 'feed' | 'engine' | 'caller' | 'events' | 'outbox' | 'raw'>,
  workers: Iterable<{ stop(options: { timeout: number }): Promise<void> }>,
): Promise<void> {
  parts.feed.close();
  try {
    await within(sayGoodbye(parts, workers), undefined, CLOSE_MS);
  } finally {
    await settleAll([parts.outbox.close(), parts.engine.close()]);
  }
}

async function sayGoodbye(
  { caller, events, raw }: Pick<AppParts, 'caller' | 'events' | 'raw'>,
  workers: Iterable<{ stop(options: { timeout: number }): Promise<void> }>,
): Promise<void> {
  try {
    await settleAll([...workers].map((worker) => worker.stop({ timeout: CLOSE_MS / 2 })));
  } finally {
    await settleAll([caller.close(), events.close(), raw.close()]);
  }
}
