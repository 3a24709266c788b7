/**
 * Runs one worker in this process, from loading the app to the exit code: banner, connection (with retries), signals.
 */
import pc from 'picocolors';
import type { Celeriac } from '../../app.js';
import { OptionError } from '../../errors.js';
import type { LogLevel } from '../../options/logger.js';
import { present } from '../../options/merge.js';
import type { DeclaredQueues } from '../../options/queues.js';
import { sleep } from '../../timers.js';
import { VERSION } from '../../version.js';
import type { WorkerProcesses } from '../../worker/processes/supervisor.js';
import type { WorkerOptions } from '../../worker/worker-options.js';
import type { GlobalFlags } from '../connect.js';
import { nodeNameFlag, type WeightedQueue } from '../flags.js';
import { loadApp } from '../load/app.js';
import { workUnread } from '../streams.js';
import { concurrencyText, renderBanner } from './banner.js';
import { HeldSignals } from './held-signals.js';
import { type CliLogger, createLogger, type LogFormat, withoutReady } from './log.js';
import { openLogFile } from './log-file.js';
import { nodePath } from './node-path.js';
import { takePidFile } from './pid-file.js';
import { type Endable, Ending, endAtOnce } from './signals.js';
import { startPatiently } from './start-retry.js';
import { showTitle, workerTitle } from './title.js';

type Worker = ReturnType<Celeriac['worker']> | WorkerProcesses;

/** The flags of `celeriac worker`, read and checked. */
export interface WorkerFlags extends GlobalFlags {
  readonly loglevel?: LogLevel;
  readonly color: boolean;
  readonly concurrency?: number;
  readonly queues?: WeightedQueue[];
  readonly autoscale?: { readonly max: number; readonly min: number };
  readonly excludeQueues?: string[];
  readonly hostname?: string;
  readonly pool?: 'async' | 'threads';
  readonly maxTasksPerChild?: number;
  /** Bytes. */
  readonly maxMemoryPerChild?: number;
  readonly softTimeLimit?: number;
  readonly timeLimit?: number;
  readonly shutdownTimeout?: number;
  readonly processes?: number;
  readonly healthPort?: number;
  readonly healthHost?: string;
  readonly purge?: boolean;
  readonly logFormat: LogFormat;
  readonly logfile?: string;
  readonly pidfile?: string;
}

/** Runs until a signal, a remote shutdown or a stray exception ends it. @returns the exit code */
export async function runWorker(spec: string, flags: WorkerFlags): Promise<number> {
  workUnread();
  const { logFile, pidFile } = filesOf(flags);
  if (pidFile !== undefined) takePidFile(pidFile);
  let node: string | undefined;
  const banner = new LateBanner();
  const log = createLogger({
    level: flags.loglevel ?? 'info',
    format: flags.logFormat,
    color: logFile === undefined && useColor(flags),
    file: logFile,
    write: logWriter(logFile, banner),
    node: () => node,
  });
  const options = { ...workerOptions(flags), logger: withoutReady(log) };
  if (flags.queues !== undefined) queuesOf(flags, undefined); // refused before any code is loaded
  const unheard = endAtOnce();
  const held = new HeldSignals();
  const { app, file, compiler } = await loadApp(spec);
  held.take();
  const { processes } = flags;
  const whole = { ...options, ...queuesOf(flags, app.conf.queues), module: file };
  const worker = processes === undefined ? app.worker(whole) : app.worker({ ...whole, processes });
  node = worker.node;
  const named = node;
  if (flags.logFormat === 'text' && flags.quiet !== true) banner.expect(() => printBanner(worker, flags));
  if (compiler === 'tsx') log.warn({}, TSX_REMARK);
  if (/^(memory|file):/.test(worker.describe().broker)) log.warn({}, EMBEDDED_REMARK);
  const end = new Ending(endable(worker), {
    log,
    shutdownTimeoutMs: flags.shutdownTimeout ?? SHUTDOWN_TIMEOUT_MS,
    report: () => worker.logRunning(),
  });
  unheard();
  try {
    let toPurge = flags.purge === true;
    const start = async () => {
      if (toPurge) await purgeQueues(app, worker, log);
      toPurge = false;
      await worker.start();
    };
    const started = startPatiently({ start }, log, end.signal).then((ready) => {
      if (!ready) return;
      node = worker.node;
      showTitle(() => workerTitle(worker.describe()));
      banner.show();
      if (node !== named) log.warn({}, `a worker called "${named}" is online already: this one is "${node}"`);
      log.always({}, `ready: ${readyText(worker)}`);
    });
    // Shutdown does not wait for a pending start.
    return await Promise.race([end.reached, started.then(() => end.reached)]);
  } finally {
    end.release();
    // The worker has written all results it could.
    const closed = held.close(app, end.by);
    await (end.hurried ? Promise.race([closed, sleep(HURRIED_CLOSE_MS)]) : closed);
  }
}

const SHUTDOWN_TIMEOUT_MS = 30_000;

const HURRIED_CLOSE_MS = 300;
const EMBEDDED_REMARK =
  'the broker is embedded in this process: only tasks that this process itself sends arrive here. ' +
  'Use Redis or PostgreSQL to call from elsewhere.';
const TSX_REMARK =
  'TypeScript is compiled by tsx, which emits no decorator metadata: name DTO classes by "args:" in @Task, ' +
  'or install @swc/core.';

/** The absolute paths of `--logfile` and `--pidfile`. */
function filesOf({ hostname = nodeNameFlag('celeriac@%h'), logfile, pidfile }: WorkerFlags) {
  return {
    logFile: logfile === undefined ? undefined : nodePath('--logfile', logfile, hostname),
    pidFile: pidfile === undefined ? undefined : nodePath('--pidfile', pidfile, hostname),
  };
}

function logWriter(file: string | undefined, banner: LateBanner): (line: string) => void {
  const onStdout = (line: string) => {
    banner.show();
    process.stdout.write(line);
  };
  if (file === undefined) return onStdout;
  return openLogFile(file, { otherwise: onStdout });
}

function workerOptions(flags: WorkerFlags): WorkerOptions {
  return present({
    autoscale: flags.autoscale,
    concurrency: flags.concurrency,
    name: flags.hostname,
    pool: flags.pool,
    maxTasksPerChild: flags.maxTasksPerChild,
    maxMemoryPerChild: flags.maxMemoryPerChild,
    softTimeLimit: flags.softTimeLimit,
    timeLimit: flags.timeLimit,
    shutdownTimeout: flags.shutdownTimeout,
    health: healthOf(flags),
  });
}

function healthOf({ healthPort: port, healthHost: host }: WorkerFlags): WorkerOptions['health'] {
  if (port === undefined && host !== undefined)
    throw new OptionError('--health-host: on which port? Give --health-port as well.');
  return port === undefined ? undefined : present({ port, host });
}

/** The queues of `-Q`, else those that the app declares, without those of `-X`. */
function queuesOf(
  { queues, excludeQueues = [] }: WorkerFlags,
  declared: DeclaredQueues,
): Pick<WorkerOptions, 'queues'> {
  const from: readonly WeightedQueue[] | undefined = queues ?? declared?.map((name) => ({ name, weight: 1 }));
  if (from === undefined && excludeQueues.length > 0) {
    throw new OptionError(
      '-X: there is nothing to leave out: without -Q a worker takes from the default queue alone. Name queues with -Q.',
    );
  }
  const left = from?.filter(({ name }) => !excludeQueues.includes(name));
  if (left === undefined) return {};
  if (left.length > 0)
    return { queues: Object.fromEntries(left.map(({ name, weight }) => [name, weight ?? 1])) };
  const all = queues === undefined ? 'the app declares' : '-Q names';
  throw new OptionError(`-X leaves out every queue that ${all}: no queue is left to take from.`);
}

function useColor(flags: WorkerFlags): boolean {
  return flags.color && pc.isColorSupported && process.stdout.isTTY === true;
}

/**
 * Shows the banner once the worker has its final name, since its first choice may be taken. It always comes before the
 * first log line, and does not wait for a slow broker.
 */
class LateBanner {
  #print: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  expect(print: () => void): void {
    this.#print = print;
    this.#timer = setTimeout(() => this.show(), BANNER_AFTER_MS);
  }

  show(): void {
    clearTimeout(this.#timer);
    const print = this.#print;
    this.#print = undefined;
    print?.();
  }
}

const BANNER_AFTER_MS = 1500;

function endable(worker: Worker): Endable {
  return {
    stopped: worker.stopped,
    countRunning: async () =>
      'countRunning' in worker ? worker.countRunning() : (worker.describe().running ?? 0),
    stop: (options) => worker.stop(options),
    stopNow: () => worker.stopNow(),
  };
}

function printBanner(worker: Worker, flags: WorkerFlags): void {
  const facts = worker.describe();
  const banner = renderBanner(
    {
      ...facts,
      version: VERSION,
      queues: facts.queues.map(({ name }) => weighted(name, flags)),
      pid: process.pid,
      runtime: `Node ${process.version.slice(1)}`,
    },
    useColor(flags),
  );
  process.stdout.write(banner);
}

/** `mail=2`, as in `-Q`; a weight of one is omitted. */
function weighted(name: string, { queues = [] }: WorkerFlags): string {
  const weight = queues.find((queue) => queue.name === name)?.weight ?? 1;
  return weight === 1 ? name : `${name}=${weight}`;
}

function readyText(worker: Worker): string {
  const facts = worker.describe();
  const { queues, tasks } = facts;
  const from = queues.map(({ name }) => name).join(', ');
  return `${tasks.length} ${tasks.length === 1 ? 'task' : 'tasks'}, ${concurrencyText(facts)} at a time, from ${from}`;
}

/** Celery: `--purge`. */
async function purgeQueues(app: Celeriac, worker: Worker, log: CliLogger): Promise<void> {
  const queues = worker.describe().queues.map(({ name }) => name);
  for (const [queue, dropped] of Object.entries(await app.queues.purge(queues)))
    log.info({ queue, dropped }, `purged ${queue}`);
}
