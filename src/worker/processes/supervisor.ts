/**
 * A worker of several processes: one node, one health port, one end. The supervisor runs no task itself. It keeps its
 * processes running, answers for them on the bus, and ends when they have ended.
 */
import { appOverrides } from '../../app-overrides.js';
import {
  type CommandHandlers,
  type CommandName,
  type Commands,
  isErrorReply,
} from '../../control/commands.js';
import { type Responder, startResponder } from '../../control/responder.js';
import { type Duration, toPositiveMs } from '../../duration.js';
import { AppClosedError, CeleriacError, OptionError } from '../../errors.js';
import { LIFECYCLE_NAMES } from '../../events/names.js';
import { type Logger, originOf } from '../../options/logger.js';
import { settleAll } from '../../settle-all.js';
import { type LeveledLogger, leveled } from '../log-level.js';
import { logCommands } from '../observe/command-log.js';
import { EventReporter } from '../observe/event-reporter.js';
import { LISTENERS_MS } from '../observe/lifecycle-events.js';
import { findAppModule, PROCESS_FILE } from '../threads/app-module.js';
import { threadHost } from '../threads/host.js';
import { type ChildLimits, childLimits } from '../threads/router.js';
import { within } from '../within.js';
import {
  type ProcessesOptions,
  resolveWorkerOptions,
  type WorkerDescription,
  type WorkerOptions,
  type WorkerParams,
  type WorkerSettings,
} from '../worker-options.js';
import type { Child } from './child.js';
import { LastingCommands } from './lasting-commands.js';
import { RULES, type Rule, sumCounts } from './merge-replies.js';
import { ProcessPool } from './pool.js';
import { PoolHealth } from './pool-health.js';

/** True if these options ask for a worker of several processes. */
export function isForProcesses(options: WorkerOptions | ProcessesOptions): options is ProcessesOptions {
  return 'processes' in options && options.processes !== undefined;
}

/** How long to wait for the last writes when the broker does not answer, ms. */
const LAST_WORDS_MS = 2000;
/** Shorter than a caller waits; a process whose event loop is blocked for longer is left out, ms. */
const ANSWER_MS = 800;

export class WorkerProcesses implements AsyncDisposable {
  readonly #params: WorkerParams & { readonly logger: LeveledLogger };
  /** The logger as given: one that another process can recreate describes how. */
  readonly #given: Logger;
  readonly #options: WorkerOptions;
  readonly #settings: WorkerSettings;
  readonly #size: number;
  readonly #limits: ChildLimits;
  readonly #processPool: ProcessPool;
  readonly #health: PoolHealth;
  readonly #eventReporter: EventReporter;
  readonly #madeAt = performance.now();
  /** Commands to repeat to processes that start later. */
  readonly #lasting = new LastingCommands((queue) =>
    this.#settings.queues.some(({ name }) => name === queue),
  );
  #phase: 'new' | 'starting' | 'running' | 'stopping' | 'stopped' = 'new';
  #file = '';
  #responder: Responder | undefined;
  /** Settles with the start in progress, or with the last one. */
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #onStopped: () => void = () => undefined;

  /** @throws {OptionError} for invalid options */
  constructor(given: ProcessesOptions, params: WorkerParams) {
    const { processes, ...options } = given;
    this.#given = params.logger;
    this.#params = { ...params, logger: leveled(params.logger) };
    this.#options = options;
    this.#settings = resolveWorkerOptions(given, params.defaultQueue, params.queues);
    this.#size = processes;
    this.#limits = childLimits(this.#settings);
    if (params.engine.oneProcess)
      throw new OptionError(
        `app.worker(): processes ${processes}: the broker at ${params.engine.address} serves one process. ` +
          'Use Redis or PostgreSQL, or leave processes out.',
      );
    this.#processPool = new ProcessPool({
      size: this.#size,
      errors: params.errors,
      logger: this.#params.logger,
      setup: () => this.#setup(),
      greet: (child) => this.#greet(child),
      ended: (record) => this.#health.mergeEnded(record),
    });
    this.#health = new PoolHealth({
      ...params,
      health: this.#settings.health,
      processPool: this.#processPool,
      idle: () => (this.#phase === 'running' ? undefined : `the worker is ${this.#phase}`),
    });
    this.#eventReporter = this.#makeEventReporter();
  }

  #makeEventReporter(): EventReporter {
    const sums = () => this.#health.sums();
    return new EventReporter({
      ...this.#params,
      node: () => this.node,
      running: () => sums().running,
      processed: () => sums().processed,
      concurrency: () => sums().concurrency,
      queues: () => sums().queues,
      place: 'supervisor',
    });
  }

  /** The node's name on the bus; final once started. */
  get node(): string {
    return this.#responder?.node ?? this.#settings.name;
  }

  /** Port of the health endpoint while it listens. */
  get healthPort(): number | undefined {
    return this.#health.port;
  }

  /** Resolves when everything has stopped, whatever the cause. */
  readonly stopped = new Promise<void>((resolve) => {
    this.#onStopped = resolve;
  });

  /**
   * Starts the processes. Resolves when all of them take tasks.
   * @throws {BrokerUnavailableError} when the broker cannot be reached
   */
  async start(): Promise<void> {
    if (this.#phase !== 'new')
      throw new CeleriacError(
        `This worker is ${this.#phase}; a worker starts once. Make another with app.worker().`,
      );
    const held = threadHost()?.workerStarts(this.#params.app, this);
    if (held !== undefined) return held;
    this.#file = findAppModule(this.#options.module, `processes is ${this.#size}`, PROCESS_FILE);
    this.#phase = 'starting';
    const starting = this.#start();
    this.#starting = starting.catch(() => undefined); // callers that await only its end
    return starting;
  }

  async #start(): Promise<void> {
    const { engine, prefix, logger } = this.#params;
    try {
      await this.#health.open();
      await engine.ready();
      await this.#eventReporter.life.init();
      this.#responder = await startResponder({
        engine,
        prefix,
        name: this.#settings.name,
        handlers: logCommands(this.#handlers(), this.#params.logger),
        onLost: (node) => this.#eventReporter.lost(node),
        onError: (error) => this.#onError(error),
      });
      await this.#params.events.attach();
      this.#refuseStopped();
    } catch (error) {
      if (this.#stopping === undefined) this.#phase = 'new';
      await this.#leaveBus();
      await this.#eventReporter.life.stopped();
      throw error;
    }
    try {
      await this.#processPool.start();
      await this.#processPool.takeRecords(ANSWER_MS); // for the worker-online event
      this.#refuseStopped();
    } catch (error) {
      this.#starting = Promise.resolve(); // otherwise stop() would wait for this very start
      if (this.#stopping === undefined) await this.stop({ timeout: LAST_WORDS_MS });
      throw error;
    }
    // Listeners of `worker-online` can prepare before the first task begins.
    await this.#eventReporter.online();
    this.#refuseStopped();
    this.#processPool.release();
    this.#phase = 'running';
    await this.#eventReporter.life.ready();
    logger.info({ node: this.node, queues: this.#settings.queues }, 'worker ready');
  }

  /** Shuts all processes down warmly, and kills those that do not exit in time. Never hangs; may be called twice. */
  stop(options: { timeout?: Duration } = {}): Promise<void> {
    const timeoutMs =
      options.timeout === undefined
        ? this.#settings.shutdownTimeoutMs
        : toPositiveMs(options.timeout, 'worker.stop(): timeout');
    this.#stopping ??= this.#stop(() => this.#processPool.stop(timeoutMs, this.#graceMs()));
    return this.#stopping;
  }

  /** How much longer its processes may take where the app, which they load too, has listeners of their end, ms. */
  #graceMs(): number {
    return this.#params.events.hasListeners(LIFECYCLE_NAMES) ? LISTENERS_MS : 0;
  }

  /** Hands back all running tasks at once: for a second interrupt. */
  stopNow(): Promise<void> {
    const now = this.#processPool.stopNow();
    this.#stopping ??= this.#stop(() => now);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** @throws {CeleriacError} always: BullMQ's Workers are in the processes */
  bullmq(queue: string): never {
    throw new CeleriacError(
      `worker.bullmq('${queue}'): this worker's Workers are in its ${this.#size} processes. Ask for one in a worker without ` +
        'processes, or listen with app.on() and app.events().',
    );
  }

  /** The set-up of this worker. */
  describe(): WorkerDescription {
    const { concurrency, queues, autoscale } = this.#settings;
    return {
      app: this.#params.appName,
      broker: this.#params.engine.address,
      node: this.node,
      pool: this.#options.pool ?? 'async',
      concurrency,
      autoscale,
      processes: this.#size,
      queues: queues.map(({ name }) => ({ name, concurrency })),
      tasks: this.#params.registry.names(),
    };
  }

  /** Number of tasks running in all processes; a process that does not answer counts with its last record. */
  async countRunning(): Promise<number> {
    await this.#processPool.takeRecords(ANSWER_MS);
    return this.#health.sums().running;
  }

  /** Has each process log its running tasks. */
  logRunning(): void {
    this.#processPool.logRunning();
  }

  #setup() {
    const {
      logger: _,
      health: __,
      name: ___,
      maxTasksPerChild,
      maxMemoryPerChild,
      ...options
    } = this.#options;
    const threads = options.pool === 'threads';
    const ofThreads = {
      ...(maxTasksPerChild !== undefined && { maxTasksPerChild }),
      ...(maxMemoryPerChild !== undefined && { maxMemoryPerChild }),
    };
    return {
      file: this.#file,
      appName: this.#params.appName,
      prefix: this.#params.prefix,
      overrides: appOverrides(),
      node: this.node,
      options: { ...options, module: this.#file, ...(threads && ofThreads) },
      recycling: threads ? { maxTasks: undefined, maxMemoryBytes: undefined } : this.#limits,
      measured: this.#settings.health !== undefined,
      log: Reflect.get(originOf(this.#given), 'settings') as unknown,
    };
  }

  /** Repeats the lasting commands to a new process, so that it works as the others do. */
  async #greet(child: Child): Promise<void> {
    for (const { command, args } of this.#lasting.commands) await child.ask(command, args, ANSWER_MS);
  }

  #handlers(): CommandHandlers {
    const handlers = Object.keys(RULES).map((name) => {
      const command = name as CommandName;
      return [command, (args: object) => this.#answer(command, args)] as const;
    });
    return { ...(Object.fromEntries(handlers) as unknown as CommandHandlers), ...this.#ownAnswers() };
  }

  /** Asks the processes and merges their answers. */
  async #answer<C extends CommandName>(command: C, args: object): Promise<unknown> {
    const rule = RULES[command] as unknown as Rule<'active'>;
    const replies = await this.#processPool.ask(command, args, ANSWER_MS);
    const done = replies.filter((reply) => !isErrorReply(reply));
    if (done.length === 0)
      throw new CeleriacError(replies.find(isErrorReply)?.error ?? 'none of its processes answered');
    this.#lasting.note(command, args);
    return rule.merge(done as never);
  }

  /** Every process runs a command of the app's own: if one of them cannot, that is the node's answer. */
  async #runOwn(args: Commands['own']['args']): Promise<unknown> {
    const size = this.#processPool.working.length;
    const replies = await this.#processPool.ask('own', args, Math.max(ANSWER_MS, args.timeoutMs - 200));
    const failed = replies.find(isErrorReply);
    if (failed !== undefined) throw new CeleriacError(failed.error);
    if (replies.length < size || size === 0)
      throw new CeleriacError(`${size - replies.length} of its ${size} processes did not answer`);
    return RULES.own.merge(replies);
  }

  #ownAnswers(): Pick<CommandHandlers, 'stats' | 'shutdown' | 'loglevel' | 'own'> {
    return {
      own: (args) => this.#runOwn(args),
      loglevel: async (args) => {
        this.#params.logger.setLevel(args.level);
        return (await this.#answer('loglevel', args)) as { ok: string };
      },
      stats: async () => {
        // Listed before the processes are asked: one that starts meanwhile is in none of the sums.
        const processes = this.#processPool.working.map(({ pid }) => pid);
        const stats = (await this.#answer('stats', {})) as Awaited<ReturnType<CommandHandlers['stats']>>;
        return {
          ...stats,
          pid: process.pid,
          uptimeMs: Math.round(performance.now() - this.#madeAt),
          processed: sumCounts([this.#health.endedCounts, stats.processed]),
          processes,
        };
      },
      shutdown: () => {
        this.#params.logger.info({ node: this.node }, 'shutdown requested; waiting for running tasks');
        // The reply must leave first.
        setTimeout(() => void this.stop(), 50);
        return { ok: 'shutting down' };
      },
    };
  }

  async #stop(end: () => Promise<void>): Promise<void> {
    this.#phase = 'stopping';
    const { life } = this.#eventReporter;
    const heard = life.shuttingDown();
    try {
      await settleAll([end(), within(this.#starting, undefined, LAST_WORDS_MS)]);
      await settleAll([this.#leaveBus(), within(this.#eventReporter.offline(), undefined, LAST_WORDS_MS)]);
    } catch (error) {
      this.#onError(error instanceof Error ? error : new Error(String(error)));
    }
    this.#health.close();
    await within(heard, undefined, LAST_WORDS_MS);
    await life.stopped();
    this.#phase = 'stopped';
    this.#params.onStopped();
    this.#onStopped();
    this.#params.logger.info({ node: this.node }, 'worker stopped');
  }

  /** Leaves the bus; may be called twice. */
  async #leaveBus(): Promise<void> {
    const gone = (this.#responder?.close() ?? Promise.resolve()).catch((error: Error) =>
      this.#onError(error),
    );
    await within(gone, undefined, LAST_WORDS_MS);
  }

  #refuseStopped(): void {
    if (this.#stopping !== undefined) throw new AppClosedError('The worker was stopped while it started.');
  }

  #onError(error: Error): void {
    if (this.#params.engine.isUnavailable(error) || this.#phase === 'stopped') return;
    this.#params.logger.error({ error }, `worker error: ${error.message}`);
  }
}
