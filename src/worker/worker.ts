/**
 * A worker in this process: start, consume, stop. It assembles the parts (executor, consumers, slots, the responder
 * of remote control) and owns the order in which they start and stop. What each part does is in its own file.
 */

import { withoutArguments } from '../broker/redis/errors.js';
import { type Responder, startResponder } from '../control/responder.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { outageIn } from '../errors.js';
import type { Logger } from '../options/logger.js';
import { Consumer } from '../queue/consumer.js';
import type { Delivery } from '../queue/delivery.js';
import { LockKeeper } from '../queue/locks/lock-keeper.js';
import type { BullmqWorker } from '../queue/raw-queues.js';
import type { Settlement } from '../queue/settlement.js';
import { Slots } from '../queue/slots.js';
import { forgetAtEnd } from '../results/forget.js';
import type { TaskApp } from '../tasks/context.js';
import type { OwnEvent } from '../tasks/own-events.js';
import { after } from '../timers.js';
import { BatchCollector } from './batches/collector.js';
import { ExpirySweeper } from './end/expiry-sweeper.js';
import { handBack } from './end/hand-back.js';
import { Lifecycle } from './lifecycle.js';
import { type LeveledLogger, leveled } from './log-level.js';
import { controlHandlers, type Steering } from './observe/control-handlers.js';
import { EventReporter } from './observe/event-reporter.js';
import { WorkerHealth } from './observe/health.js';
import { Inspection } from './observe/inspection.js';
import { LISTENERS_MS } from './observe/lifecycle-events.js';
import { nodeConf } from './observe/node-report.js';
import { publishOwnEvent } from './observe/own-events.js';
import { TaskLog } from './observe/task-log.js';
import { startsOnce } from './phase.js';
import { Autoscale } from './queues/autoscale.js';
import { Limits } from './queues/limits.js';
import { lockTimes } from './queues/lock-times.js';
import type { MakeConsumer } from './queues/queue-consumer.js';
import { QueueConsumers } from './queues/queue-consumers.js';
import { trustClock } from './refuse-wrong-clock.js';
import { relaying } from './relay-outbox.js';
import type { CallHost } from './run/call-host.js';
import { type ConcludeParams, conclude, uncount } from './run/conclude.js';
import { Executor } from './run/execute.js';
import { endLost } from './run/lost-locks.js';
import { outsideContext } from './run/outside-context.js';
import { Suspects } from './run/suspects.js';
import { UnknownTasks } from './run/unknown-tasks.js';
import { steeringOf } from './steering.js';
import type { StartStep } from './steps.js';
import { threadHost } from './threads/host.js';
import { ThreadRouter } from './threads/router.js';
import { within } from './within.js';
import {
  resolveWorkerOptions,
  type WorkerDescription,
  type WorkerOptions,
  type WorkerParams,
  type WorkerSettings,
} from './worker-options.js';
import { WorkflowSteps } from './workflow/step.js';

/** After the deadline, handed-back tasks have this long to settle before the worker stops regardless. */
const LAST_WORDS_MS = 2000;

export class Worker implements CallHost, AsyncDisposable {
  readonly #params: Omit<WorkerParams, 'logger'> & { readonly logger: LeveledLogger };
  readonly #reports: Inspection;
  readonly #executor: Executor;
  readonly #budget: Slots;
  readonly #autoscale: Autoscale;
  readonly #limits: Limits;
  readonly #batches: BatchCollector;
  readonly #consumers: QueueConsumers;
  readonly #settings: WorkerSettings;
  readonly #log: TaskLog;
  readonly #threadRouter: ThreadRouter;
  readonly #madeAt = performance.now();
  #responder: Responder | undefined;
  readonly #expirySweeper: ExpirySweeper;
  readonly #locks: LockKeeper;
  /** Set in a process of a pool: the supervisor then answers for this worker. */
  readonly #processPool = threadHost()?.processPool;
  /** Health of this worker, for its health port or for its supervisor. */
  readonly health: WorkerHealth;
  readonly #eventReporter: EventReporter;
  readonly #concluding: ConcludeParams;
  readonly #life = new Lifecycle({
    patienceMs: LAST_WORDS_MS,
    onError: (error) => this.#onError(error),
    ended: () => this.#eventReporter.life.stopped(),
    onStopped: () => this.#leave(),
  });
  /** True once the deadline has passed: jobs fetched from then on are handed back. */
  #handingBack = false;

  constructor(options: WorkerOptions, given: WorkerParams) {
    const params = { ...given, logger: leveled(given.logger) };
    this.#settings = resolveWorkerOptions(options, params.defaultQueue, params.queues);
    this.#params = params;
    this.#budget = new Slots(this.#settings.concurrency);
    this.#autoscale = new Autoscale(this.#budget, this.#settings.autoscale, params.logger);
    this.#log = new TaskLog(params.logger);
    this.#threadRouter = new ThreadRouter(this.#settings, { ...params, node: () => this.node });
    this.#limits = new Limits(params);
    this.#batches = new BatchCollector(this, params.clock, (e) => this.#onError(e), this.#threadRouter);
    this.#consumers = new QueueConsumers({
      engine: params.engine,
      queues: this.#settings.queues,
      declared: params.queues,
      budget: this.#budget,
      limits: this.#limits,
      consumer: (line) => this.#consumer(line),
      onError: (error) => this.#onError(error),
    });
    this.#eventReporter = new EventReporter({
      ...params,
      node: () => this.node,
      running: () => this.#executor.running.size,
      processed: () => this.#log.total,
      concurrency: () => this.#consumers.concurrency,
      place: this.#processPool === undefined ? 'worker' : 'process',
      queues: () => this.#consumers.reports().map(({ name }) => name),
    });
    this.#executor = new Executor({
      ...params,
      host: this,
      watch: this.#eventReporter,
      limits: this.#limits,
      batches: this.#batches,
      unknown: new UnknownTasks(params),
      suspects: new Suspects(params),
      defaultLimits: this.#settings.limits,
      elsewhere: this.#threadRouter,
      flows: new WorkflowSteps(params.workflows, params),
    });
    this.#reports = new Inspection({
      ...params,
      executor: this.#executor,
      queues: () => this.#consumers.brokerQueues(),
    });
    this.#locks = new LockKeeper({
      ...params,
      broker: params.brokerUrl(),
      onError: (error) => this.#onError(error),
    });
    this.#expirySweeper = new ExpirySweeper({
      ...params,
      queues: () => this.#consumers.brokerQueues(),
    });
    this.health = new WorkerHealth({
      ...params,
      health: this.#settings.health,
      measured: this.#processPool?.measured ?? false,
      running: () => this.#executor.running.size,
      concurrency: () => this.#consumers.concurrency,
      slots: () => this.#consumers.slotCounts,
      idle: () => (this.#life.phase === 'running' ? undefined : `the worker is ${this.#life.phase}`),
      stalledForMs: () => this.#consumers.stalledForMs,
      queues: () => this.#consumers.brokerQueues(),
    });
    this.#concluding = { ...params, log: this.#log, events: this.#eventReporter, health: this.health };
  }

  /** The node's name on the bus; final once started. */
  get node(): string {
    return this.#responder?.node ?? this.#processPool?.node ?? this.#settings.name;
  }

  /** Port of the health endpoint while it listens: see the option `health`. */
  get healthPort(): number | undefined {
    return this.health.port;
  }

  get logger(): Logger {
    return this.#params.logger;
  }

  readonly encodeMeta = (meta: unknown, of: Delivery): unknown => this.#params.codec.encodeMeta(meta, of);

  sendEvent(delivery: Delivery, event: OwnEvent): void {
    publishOwnEvent(this.#params, delivery, this.node, event);
  }

  get app(): TaskApp {
    return this.#params.app;
  }

  /** BullMQ's own `Worker` of a queue it takes from, for its events and readings; celeriac decides what it fetches. */
  bullmq(queue: string): BullmqWorker {
    return this.#consumers.bullmq(queue);
  }

  /** True once the worker was asked to stop. */
  get stopping(): boolean {
    return this.#life.stopping;
  }

  /** Resolves when the worker has stopped, whatever the cause. */
  get stopped(): Promise<void> {
    return this.#life.stopped;
  }

  /**
   * Connects, creates the services, and begins to consume. Resolves when the worker takes tasks.
   * @throws {BrokerUnavailableError} when the broker cannot be reached
   */
  async start(): Promise<void> {
    startsOnce(this.#life.phase);
    // A thread loads the module that starts this worker; inside the thread no worker starts.
    const held = threadHost()?.workerStarts(this.app, this);
    if (held !== undefined) return held;
    this.#threadRouter.check();
    try {
      // Tasks must not inherit the async context of the caller of `start()`.
      await outsideContext(() => this.#life.start(this.#steps()));
    } catch (error) {
      throw outageIn(error);
    }
    const queues = this.#settings.queues.map(({ name }) => name);
    this.#params.logger.info({ node: this.node, queues }, 'worker ready');
  }

  /** The steps of a start, in this order, each with its end. */
  #steps(): StartStep[] {
    const { engine, clock, registry, scheduler, events, lockDurationMs } = this.#params;
    let locksKept: Promise<void> = Promise.resolve();
    return [
      // Open from the first attempt until the stop, also while the broker is away.
      { start: () => this.health.open() },
      { start: () => engine.ready() },
      {
        start: () => {
          locksKept = this.#locks.start();
          locksKept.catch(() => undefined); // waited for below
        },
        stop: () => this.#locks.stop(),
      },
      { start: () => trustClock(clock, lockDurationMs) },
      { start: () => this.#eventReporter.life.init() },
      { start: () => this.#params.prepare() },
      { start: () => this.#threadRouter.prepare(), stop: () => this.#threadRouter.close() },
      { start: () => this.#answer(), stop: () => this.#responder?.close() },
      { start: () => Promise.all([locksKept, events.attach()]) },
      { start: () => this.#limits.learn(), stop: () => this.#limits.close() },
      { start: () => this.#consumers.follow(registry), stop: () => this.#consumers.unfollow() },
      { start: () => this.#autoscale.start(), stop: () => this.#autoscale.stop() },
      { start: () => scheduler.start(), stop: () => scheduler.stop() },
      relaying(this.#params.outbox),
      { start: () => this.#consumers.open(), stop: () => this.#consumers.close() },
      // Listeners of `worker-online` can prepare before the first task begins.
      { start: () => this.#eventReporter.online(), stop: () => this.#eventReporter.offline() },
      { start: () => this.#processPool?.cleared() },
      { start: () => this.#expirySweeper.start(), stop: () => this.#expirySweeper.stop() },
      { start: () => this.#consumers.run() },
      { start: () => this.#eventReporter.life.ready() },
    ];
  }

  /** Answers remote control from here on. */
  async #answer(): Promise<void> {
    const { engine, prefix, logger } = this.#params;
    this.#responder = await (this.#processPool?.respond ?? startResponder)({
      engine,
      prefix,
      name: this.#settings.name,
      handlers: controlHandlers(this.#steering(), this.#processPool === undefined ? logger : undefined),
      onLost: (node) => this.#eventReporter.lost(node),
      onError: (error) => this.#onError(error),
    });
  }

  /**
   * Takes no more tasks, lets running ones finish until the deadline, and hands the rest back to other workers
   * without counting an attempt. Never hangs; may be called twice.
   */
  stop(options: { timeout?: Duration } = {}): Promise<void> {
    const timeoutMs =
      options.timeout === undefined
        ? this.#settings.shutdownTimeoutMs
        : toPositiveMs(options.timeout, 'worker.stop(): timeout');
    return this.#life.stop((started) => this.#windUp(timeoutMs, started));
  }

  /** Hands back all running tasks at once: for a second interrupt. */
  stopNow(): Promise<void> {
    const stopped = this.stop({ timeout: 0 });
    this.#handBackAll();
    return stopped;
  }

  /** Begins with the calls of batches that wait for others, as if their time were over. */
  readonly beginBatches = (): void => this.#batches.flush();

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The current set-up of this worker. */
  describe(): WorkerDescription {
    return {
      app: this.#params.appName,
      broker: this.#params.engine.address,
      node: this.node,
      pool: this.#threadRouter.pool,
      concurrency: this.#budget.limit,
      running: this.#executor.running.size,
      autoscale: this.#autoscale.range,
      queues: this.#consumers.reports(),
      tasks: this.#params.registry.names(),
    };
  }

  /** Logs one line per running task, for example on SIGUSR1. */
  logRunning(): void {
    this.#log.running([...this.#executor.running.values()]);
  }

  #consumer(line: Parameters<MakeConsumer>[0]): Consumer {
    return new Consumer({
      ...line,
      ...lockTimes(this.#params),
      engine: this.#params.engine,
      node: this.node,
      locks: this.#locks,
      run: (delivery) => this.#run(delivery),
      onProgress: (delivery, progress) => this.#eventReporter.progress(delivery, progress),
      onLockLost: ({ token }) => endLost(token, this.#executor, this.#batches, this.#params.logger),
      onError: (error) => this.#onError(error),
    });
  }

  #run(delivery: Delivery): Promise<Settlement> {
    const isMisfit = this.#batches.refuses(delivery, this.#params.registry);
    if (isMisfit || this.#handingBack || this.#processPool?.recycling.begin() === false)
      return uncount(this.#params, delivery).then(() => ({ kind: 'release' }));
    if (delivery.message.forgotten === true) forgetAtEnd(this.#params, delivery);
    return outsideContext(() => this.#executor.execute(delivery)).then((execution) => {
      this.#processPool?.recycling.ended();
      return conclude(this.#concluding, delivery, execution);
    });
  }

  /** The handles on this worker that remote control may use. */
  #steering(): Steering {
    return steeringOf({
      params: this.#params,
      executor: this.#executor,
      pool: this.#threadRouter.pool,
      batches: this.#batches,
      budget: this.#budget,
      autoscale: this.#autoscale,
      log: this.#log,
      reports: this.#reports,
      consumers: this.#consumers,
      limits: this.#limits,
      madeAt: this.#madeAt,
      node: () => this.node,
      describe: () => this.describe(),
      conf: () => nodeConf(this.#params.conf(), this.#settings, this.describe(), this.#executor),
      stop: () => this.stop(),
    });
  }

  /** Takes no more tasks and waits for the running ones; after the deadline hands the rest back. */
  async #windUp(timeoutMs: number, started: Promise<void>): Promise<void> {
    const heard = this.#eventReporter.life.shuttingDown();
    // Stop these now; their end is awaited with the other steps.
    void this.#expirySweeper.stop();
    this.#autoscale.stop();
    void this.#params.scheduler.stop();
    this.#batches.close();
    this.#threadRouter.announceStop().catch((error: Error) => this.#onError(error));
    const closing = Promise.all([this.#consumers.close(), started]).then(() => undefined);
    const cancelDeadline = after(timeoutMs, () => this.#handBackAll());
    await within(closing, undefined, timeoutMs + LAST_WORDS_MS);
    cancelDeadline();
    this.#consumers.abandon();
    const told = Promise.all([heard, this.#threadRouter.close()]).then(() => undefined);
    await within(told, undefined, timeoutMs + LISTENERS_MS);
  }

  #handBackAll(): void {
    this.#handingBack = true;
    handBack(this.#executor.running.values(), this.#params.registry);
  }

  #leave(): void {
    this.health.close();
    this.#params.onStopped();
    this.#params.logger.info({ node: this.node }, 'worker stopped');
  }

  #onError(error: Error): void {
    // The engine logs each outage once; log any other error here.
    if (this.#params.engine.isUnavailable(error) || this.#life.phase === 'stopped') return;
    this.#params.logger.error({ error: withoutArguments(error) }, `worker error: ${error.message}`);
  }
}
