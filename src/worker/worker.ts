/**
 * A worker in this process: start, consume, stop. It puts the parts together (executor, consumers, slots, the answering
 * side of remote control) and owns their order of life; what each does is in its own file.
 */

import { withoutArguments } from '../broker/redis/errors.js';
import { type Responder, startResponder } from '../control/responder.js';
import { type Duration, toPositiveMs } from '../duration.js';
import { outageIn } from '../errors.js';
import type { Logger, LogLevel } from '../options/logger.js';
import { Consumer } from '../queue/consumer.js';
import type { Delivery } from '../queue/delivery.js';
import { LockKeeper } from '../queue/locks/lock-keeper.js';
import type { Settlement } from '../queue/settlement.js';
import { Slots } from '../queue/slots.js';
import { forgetAtEnd } from '../results/forget.js';
import type { TaskApp } from '../tasks/context.js';
import { after } from '../timers.js';
import { ExpirySweeper } from './end/expiry-sweeper.js';
import { handBack } from './end/hand-back.js';
import { Lifecycle } from './lifecycle.js';
import { type LeveledLogger, leveled } from './log-level.js';
import { controlHandlers } from './observe/control-handlers.js';
import { EventReporter } from './observe/event-reporter.js';
import { WorkerHealth } from './observe/health.js';
import { Inspection } from './observe/inspection.js';
import { reportText, workerConf } from './observe/node-report.js';
import { TaskLog } from './observe/task-log.js';
import { startsOnce } from './phase.js';
import { Autoscale } from './queues/autoscale.js';
import { Limits } from './queues/limits.js';
import type { MakeConsumer } from './queues/queue-consumer.js';
import { QueueConsumers } from './queues/queue-consumers.js';
import { refuseWrongClock } from './refuse-wrong-clock.js';
import { type ConcludeParams, conclude, uncount } from './run/conclude.js';
import { Executor } from './run/execute.js';
import { endLost } from './run/lost-locks.js';
import { outsideContext } from './run/outside-context.js';
import type { CallHost } from './run/running-call.js';
import { Suspects } from './run/suspects.js';
import { UnknownTasks } from './run/unknown-tasks.js';
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

/** After the deadline a handed-back task has this long to settle before the worker goes regardless. */
const LAST_WORDS_MS = 2000;
/** BullMQ renews locks, and looks for lost ones, on timers of its own. */
const MOST_LOCK_MS = 24 * 86_400_000;

export class Worker implements CallHost, AsyncDisposable {
  readonly #params: Omit<WorkerParams, 'logger'> & { readonly logger: LeveledLogger };
  readonly #reports: Inspection;
  readonly #executor: Executor;
  readonly #budget: Slots;
  readonly #autoscale: Autoscale;
  readonly #limits: Limits;
  readonly #consumers: QueueConsumers;
  readonly #settings: WorkerSettings;
  readonly #log: TaskLog;
  readonly #threadRouter: ThreadRouter;
  readonly #madeAt = performance.now();
  #responder: Responder | undefined;
  readonly #expirySweeper: ExpirySweeper;
  readonly #locks: LockKeeper;
  /** Others take its part, and speak for it, where it is one of several processes. */
  readonly #processPool = threadHost()?.processPool;
  /** How it is, for whoever answers on its behalf. */
  readonly health: WorkerHealth;
  readonly #eventReporter: EventReporter;
  readonly #concluding: ConcludeParams;
  readonly #life = new Lifecycle({
    patienceMs: LAST_WORDS_MS,
    onError: (error) => this.#onError(error),
    onStopped: () => this.#leave(),
  });
  /** Its deadline has passed: what is still fetched goes back. */
  #handingBack = false;

  constructor(options: WorkerOptions, given: WorkerParams) {
    const params = { ...given, logger: leveled(given.logger) };
    this.#settings = resolveWorkerOptions(options, params.defaultQueue);
    this.#params = params;
    this.#budget = new Slots(this.#settings.concurrency);
    this.#autoscale = new Autoscale(this.#budget, this.#settings.autoscale, params.logger);
    this.#log = new TaskLog(params.logger);
    this.#threadRouter = new ThreadRouter(this.#settings, { ...params, node: () => this.node });
    this.#limits = new Limits(params);
    this.#consumers = new QueueConsumers({
      engine: params.engine,
      queues: this.#settings.queues,
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
      part: this.#processPool !== undefined,
      queues: () => this.#consumers.reports().map(({ name }) => name),
    });
    this.#executor = new Executor({
      ...params,
      host: this,
      watch: this.#eventReporter,
      limits: this.#limits,
      unknown: new UnknownTasks(params),
      suspects: new Suspects(params),
      defaultLimits: this.#settings.limits,
      elsewhere: this.#threadRouter,
      flows: new WorkflowSteps(params.workflows),
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
    const { health } = this;
    this.#concluding = { ...params, log: this.#log, events: this.#eventReporter, health };
  }

  /** The node's name on the bus; final once started. */
  get node(): string {
    return this.#responder?.node ?? this.#settings.name;
  }

  /** Where health is answered, once it is: see the option `health`. */
  get healthPort(): number | undefined {
    return this.health.port;
  }

  get logger(): Logger {
    return this.#params.logger;
  }

  readonly encodeMeta = (meta: unknown): unknown => this.#params.codec.encodeMeta(meta);

  get app(): TaskApp {
    return this.#params.app;
  }

  /** Whether the worker has been asked to stop. */
  get stopping(): boolean {
    return this.#life.stopping;
  }

  /** Resolves when the worker has stopped, whoever asked it to. */
  get stopped(): Promise<void> {
    return this.#life.stopped;
  }

  /**
   * Connects, makes the services, and begins to consume. Resolves when tasks are being taken.
   * @throws {BrokerUnavailableError} when nobody answers at the broker's address
   */
  async start(): Promise<void> {
    startsOnce(this.#life.phase);
    // A thread loads the module that starts this worker: there it is no worker.
    const held = threadHost()?.workerStarts(this.app, this);
    if (held !== undefined) return held;
    this.#threadRouter.check();
    try {
      // Whatever the caller is in the middle of is no business of the tasks that this worker will run.
      await outsideContext(() => this.#life.start(this.#steps()));
    } catch (error) {
      throw outageIn(error);
    }
    const queues = this.#settings.queues.map(({ name }) => name);
    this.#params.logger.info({ node: this.node, queues }, 'worker ready');
  }

  /** What a start begins, in this order, and what ends it. */
  #steps(): StartStep[] {
    const { engine, clock, registry, scheduler, events, lockDurationMs } = this.#params;
    let locksKept: Promise<void> = Promise.resolve();
    return [
      // From the first try on until the stop, also while the broker is away.
      { start: () => this.health.open() },
      { start: () => engine.ready() },
      {
        start: () => {
          locksKept = this.#locks.start();
          locksKept.catch(() => undefined); // waited for below
        },
        stop: () => this.#locks.stop(),
      },
      {
        start: async () => {
          await clock.sync();
          refuseWrongClock(clock.skewMs, lockDurationMs);
        },
      },
      { start: () => this.#params.prepare() },
      { start: () => this.#threadRouter.prepare(), stop: () => this.#threadRouter.close() },
      { start: () => this.#answer(), stop: () => this.#responder?.close() },
      { start: () => Promise.all([locksKept, events.attach()]) },
      { start: () => this.#limits.learn(), stop: () => this.#limits.close() },
      { start: () => this.#consumers.follow(registry), stop: () => this.#consumers.unfollow() },
      { start: () => this.#autoscale.start(), stop: () => this.#autoscale.stop() },
      { start: () => scheduler.start(), stop: () => scheduler.stop() },
      { start: () => this.#consumers.open(), stop: () => this.#consumers.close() },
      // Whoever hears that it is there can get ready before the first task begins.
      { start: () => this.#eventReporter.online(), stop: () => this.#eventReporter.offline() },
      { start: () => this.#processPool?.cleared() },
      { start: () => this.#expirySweeper.start(), stop: () => this.#expirySweeper.stop() },
      { start: () => this.#consumers.run() },
    ];
  }

  /** Answers remote control from here on. */
  async #answer(): Promise<void> {
    const { engine, prefix } = this.#params;
    this.#responder = await (this.#processPool?.respond ?? startResponder)({
      engine,
      prefix,
      name: this.#settings.name,
      handlers: controlHandlers(this.#steering()),
      onError: (error) => this.#onError(error),
    });
  }

  /**
   * Takes no more tasks, lets running ones finish until the deadline, and hands the rest back to other workers at no
   * cost to them. Never hangs; may be called twice.
   */
  stop(options: { timeout?: Duration } = {}): Promise<void> {
    const timeoutMs =
      options.timeout === undefined
        ? this.#settings.shutdownTimeoutMs
        : toPositiveMs(options.timeout, 'worker.stop(): timeout');
    return this.#life.stop((started) => this.#windUp(timeoutMs, started));
  }

  /** Hands back at once whatever still runs: for a second interrupt. */
  stopNow(): Promise<void> {
    const stopped = this.stop({ timeout: 0 });
    this.#handBackAll();
    return stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** How this worker is set up now. */
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

  /** One line per running task, for SIGUSR1 and the curious. */
  logRunning(): void {
    this.#log.running([...this.#executor.running.values()]);
  }

  #consumer(line: Parameters<MakeConsumer>[0]): Consumer {
    const { engine, blockedLoopTimeoutMs } = this.#params;
    const lockDurationMs = Math.min(this.#params.lockDurationMs, MOST_LOCK_MS);
    return new Consumer({
      ...line,
      engine,
      node: this.node,
      // Nobody but this process could take a task over: then a blocked loop must not cost it its own locks.
      lockDurationMs: engine.oneProcess
        ? Math.min(Math.max(lockDurationMs, blockedLoopTimeoutMs), MOST_LOCK_MS)
        : lockDurationMs,
      // Dead at worst just after a renewal: lock + two looks stay within three locks.
      stalledIntervalMs: Math.max(200, Math.floor(lockDurationMs * 0.8)),
      locks: this.#locks,
      run: (delivery) => this.#run(delivery),
      onProgress: (delivery, progress) => this.#eventReporter.progress(delivery, progress),
      onLockLost: ({ token }) => endLost(this.#executor.running.get(token), this.#params.logger),
      onError: (error) => this.#onError(error),
    });
  }

  #run(delivery: Delivery): Promise<Settlement> {
    if (this.#handingBack || this.#processPool?.recycling.begin() === false)
      return uncount(this.#params, delivery).then(() => ({ kind: 'release' }));
    if (delivery.message.forgotten === true) forgetAtEnd(this.#params, delivery);
    return outsideContext(() => this.#executor.execute(delivery)).then((execution) => {
      this.#processPool?.recycling.ended();
      return conclude(this.#concluding, delivery, execution);
    });
  }

  /** What remote control may do with this worker. */
  #steering() {
    return {
      executor: this.#executor,
      pool: this.#threadRouter.pool,
      budget: this.#budget,
      autoscale: this.#autoscale,
      log: this.#log,
      reports: this.#reports,
      uptimeMs: () => Math.round(performance.now() - this.#madeAt),
      registered: () => this.#params.registry.names(),
      queues: () => this.#consumers.reports(),
      slots: () => this.#consumers.slotCounts,
      conf: () => this.#conf(),
      report: () => reportText(this.describe(), this.#conf()),
      forget: (delivery: Delivery) => forgetAtEnd(this.#params, delivery),
      setLogLevel: (level: LogLevel) => this.#params.logger.setLevel(level),
      addConsumer: (queue: string, concurrency: number | undefined) =>
        this.#consumers.add(queue, concurrency),
      cancelConsumer: (queue: string) => this.#consumers.cancel(queue),
      rateLimit: async (task: string) => {
        if (this.#params.registry.get(task) === undefined) return false;
        await this.#consumers.openLanes(task);
        this.#limits.wake(task);
        return true;
      },
      shutdown: () => {
        this.#params.logger.info({ node: this.node }, 'shutdown requested; waiting for running tasks');
        // After the reply has left.
        setTimeout(() => void this.stop(), 50);
      },
    };
  }

  #conf(): Record<string, unknown> {
    return { ...this.#params.conf(), worker: workerConf(this.#settings, this.describe()) };
  }

  /** Takes no more, and waits until what runs has ended; after the deadline what is left goes back. */
  async #windUp(timeoutMs: number, started: Promise<void>): Promise<void> {
    // Nothing new from here on; they are waited for at the end.
    void this.#expirySweeper.stop();
    this.#autoscale.stop();
    void this.#params.scheduler.stop();
    this.#threadRouter.announceStop().catch((error: Error) => this.#onError(error));
    const closing = Promise.all([this.#consumers.close(), started]).then(() => undefined);
    const cancelDeadline = after(timeoutMs, () => this.#handBackAll());
    await within(closing, undefined, timeoutMs + LAST_WORDS_MS);
    cancelDeadline();
    this.#consumers.abandon();
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
    // The engine reports outages itself, once; what is left here is worth a line.
    if (this.#params.engine.isUnavailable(error) || this.#life.phase === 'stopped') return;
    this.#params.logger.error({ error: withoutArguments(error) }, `worker error: ${error.message}`);
  }
}
