/**
 * The options of a worker, and the flags of `celeriac worker` that set them. Must never load more than checks: the
 * command reads it before it loads an app.
 */
import { OptionError } from '../../errors.js';
import { show } from '../../show.js';
import { checked, checkedByName, count, duration, oneOf, timeLimit } from '../kinds.js';
import { checkLogger, type Logger } from '../logger.js';
import { option } from '../option.js';
import {
  type AutoscaleOptions,
  type AutoscaleRange,
  checkAutoscale,
  checkHealth,
  checkModule,
  checkNodeName,
  checkQueues,
  checkSize,
  type HealthOptions,
  isCount,
  type WeightedQueue,
  type WorkerQueues,
} from '../worker-values.js';

/** Where tasks run, and when its threads or processes are replaced. */
export const POOL_OPTIONS = {
  pool: option(oneOf('async', 'threads'), {
    default: 'async',
    doc: "where tasks run that do not say so: `'async'` or `'threads'`",
    flags: [{ spec: '-P, --pool <pool>', help: 'async: in this process; threads: for code that computes' }],
  }),
  module: option(checked<string, string>('text', checkModule), {
    doc: 'the module threads load: `import.meta.url`; needed once a task runs in threads',
  }),
  maxTasksPerChild: option(checked<number, number>('count', countOfTasks), {
    without: 'never',
    doc: 'tasks after which a thread, or one of `processes`, is replaced',
    flags: [{ spec: '--max-tasks-per-child <n>', help: 'replace a process or thread after so many tasks' }],
  }),
  maxMemoryPerChild: option(checked<number | string, number>('size', checkSize), {
    without: 'never',
    doc: "a thread, or one of `processes`, that holds more after a task is replaced: bytes, or `'200mb'`",
    flags: [
      {
        spec: '--max-memory-per-child <size>',
        help: 'replace a process or thread that holds more after a task, as in 200mb',
      },
    ],
  }),
};

/** All that `app.worker()` takes. */
export const WORKER_OPTIONS = {
  concurrency: option(checked<number, number>('count', slots), {
    without: 'the number of CPUs',
    doc: 'tasks at once, over all queues',
    flags: [{ spec: '-c, --concurrency <n>', help: 'tasks at a time, over all queues' }],
  }),
  autoscale: option(checked<AutoscaleOptions, AutoscaleRange>('object', checkAutoscale), {
    without: 'off',
    doc: '`{ max, min }`: slots grow with the load up to `max`, and shrink to `min` without',
    flags: [{ spec: '--autoscale <max,min>', help: 'let the slots grow with the load, and shrink without' }],
  }),
  queues: option(checked<WorkerQueues, readonly WeightedQueue[]>('queues', checkQueues), {
    without: "the app's `queues`, else its default queue",
    doc: 'queues to consume, or queues and weights, `{ mail: 2, reports: 1 }`',
    flags: [
      {
        spec: '-Q, --queues <queues>',
        help: 'queues to take from: mail,reports, or with weights, mail=2,reports',
      },
    ],
  }),
  name: option(checked<string, string>('text', checkNodeName), {
    default: 'celeriac@%h',
    doc: "the node's name; `%h` is the host",
    flags: [{ spec: '-n, --hostname <name>', help: 'node name; %h is the host' }],
  }),
  ...POOL_OPTIONS,
  processes: option(count, {
    doc: 'so many processes, each with the other options to itself; needs `module`',
    flags: [
      {
        spec: '--processes <n>',
        help: 'run in so many processes, as one node; -c is for each of them',
      },
    ],
  }),
  softTimeLimit: option(timeLimit, {
    doc: 'soft time limit of tasks that have none of their own',
    flags: [
      {
        spec: '--soft-time-limit <duration>',
        help: 'abort the signal of tasks without a soft limit of their own after this long',
      },
    ],
  }),
  timeLimit: option(timeLimit, {
    doc: 'time limit of tasks that have none of their own',
    flags: [
      { spec: '--time-limit <duration>', help: 'end tasks without a limit of their own after this long' },
    ],
  }),
  shutdownTimeout: option(duration, {
    default: '30s',
    doc: 'how long `stop()` lets running tasks finish',
    flags: [
      {
        spec: '--shutdown-timeout <duration>',
        help: 'how long running tasks may take to finish at the end',
      },
    ],
  }),
  health: option(checked<HealthOptions, Required<HealthOptions>>('object', checkHealth), {
    doc: '`{ port, host }`: answers `/live`, `/ready`, `/metrics`, on 127.0.0.1 unless told',
    flags: [
      {
        spec: '--health-port <port>',
        help: 'answer /live, /ready and /metrics there; 0 for any free port',
      },
      { spec: '--health-host <host>', help: 'the address to answer on (default 127.0.0.1)' },
    ],
  }),
  logger: option(checkedByName<Logger, Logger>('logger', checkLogger), {
    without: "the app's",
    doc: 'where its log lines go, unless the app was given a logger',
  }),
};

/** Zero slots are valid only together with `autoscale`, which is checked with it. */
function slots(n: unknown, where: string): number {
  if (isCount(n, 0)) return n;
  throw new OptionError(`${where} ${show(n)} must be a whole number of 1 or more.`);
}

function countOfTasks(n: unknown, where: string): number {
  if (isCount(n, 1)) return n;
  throw new OptionError(`${where} ${show(n)} must be a whole number of 1 or more.`);
}
