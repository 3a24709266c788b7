/**
 * `celeriac worker`: its flags, checked before anything is loaded. What runs is in `run-worker.ts`.
 */
import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import { appSpec } from '../connect.js';
import {
  autoscaleFlag,
  choiceFlag,
  countFlag,
  durationFlag,
  nodeNameFlag,
  queuesFlag,
  sizeFlag,
  weightedQueuesFlag,
} from '../flags.js';
import { flushed } from '../streams.js';
import type { WorkerFlags } from '../worker/run.js';

/** So long the reader of the log may take for what was logged last. */
const LAST_LINES_MS = 1000;

/** Adds `worker` to the program. */
export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description('run the tasks of your app')
    .option(
      '-c, --concurrency <n>',
      'tasks at a time, over all queues (default: number of CPUs)',
      countFlag('-c'),
    )
    .option('--autoscale <max,min>', 'let the slots grow with the load, and shrink without', autoscaleFlag)
    .option(
      '-Q, --queues <queues>',
      'queues to take from: mail,reports, or with weights, mail=2,reports',
      weightedQueuesFlag,
    )
    .option('-X, --exclude-queues <queues>', 'queues not to take from', queuesFlag('-X'))
    .option('-n, --hostname <name>', 'node name; %h is the host (default celeriac@%h)', nodeNameFlag)
    .option(
      '-P, --pool <pool>',
      'async: in this process; threads: for code that computes',
      choiceFlag('-P', ['async', 'threads']),
      'async',
    )
    .option(
      '--processes <n>',
      'run in so many processes, as one node; -c is for each of them',
      countFlag('--processes'),
    )
    .option(
      '--max-tasks-per-child <n>',
      'replace a process or thread after so many tasks',
      countFlag('--max-tasks-per-child'),
    )
    .option(
      '--max-memory-per-child <size>',
      'replace a process or thread that holds more after a task, as in 200mb',
      sizeFlag('--max-memory-per-child'),
    )
    .option(
      '--soft-time-limit <duration>',
      'abort the signal of tasks without a soft limit of their own after this long',
      durationFlag('--soft-time-limit'),
    )
    .option(
      '--time-limit <duration>',
      'end tasks without a limit of their own after this long',
      durationFlag('--time-limit'),
    )
    .option(
      '--shutdown-timeout <duration>',
      'how long running tasks may take to finish at the end (default 30s)',
      durationFlag('--shutdown-timeout'),
    )
    .option(
      '--health-port <port>',
      'answer /live, /ready and /metrics there; 0 for any free port',
      countFlag('--health-port', 0),
    )
    .option('--health-host <host>', 'the address to answer on (default 127.0.0.1)')
    .option('--purge', 'first drop what waits in its queues')
    .option('--log-format <format>', 'text or json', choiceFlag('--log-format', ['text', 'json']), 'text')
    .addHelpText('after', SIGNALS)
    .action(async (_flags, command: Command) => {
      const flags = command.optsWithGlobals<WorkerFlags>();
      const { runWorker } = await import('../worker/run.js');
      const code = await runWorker(requireApp(flags), flags);
      // A reader of the log that stands still holds up no worker that ends.
      await flushed(LAST_LINES_MS);
      process.exit(code);
    });
}

const SIGNALS = `
Signals:
  SIGTERM, SIGINT, SIGHUP   take nothing new, finish what runs, exit 0
  second SIGINT             hand back what runs, exit 0
  SIGUSR1                   log what is running`;

function requireApp(flags: WorkerFlags): string {
  const spec = appSpec(flags);
  if (spec !== undefined) return spec;
  throw new OptionError(
    'worker: which app? Name the module that exports it, as in "celeriac -A tasks worker", or set CELERIAC_APP.',
  );
}
