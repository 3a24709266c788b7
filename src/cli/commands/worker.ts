/**
 * `celeriac worker`: its flags, checked before anything is loaded. `worker/run.ts` runs the worker.
 */
import type { Command } from 'commander';
import { OptionError } from '../../errors.js';
import type { AnyOption } from '../../options/option.js';
import { WORKER_OPTIONS } from '../../options/tables/worker.js';
import { appSpec } from '../connect.js';
import {
  autoscaleFlag,
  choiceFlag,
  countFlag,
  durationFlag,
  nodeNameFlag,
  queuesFlag,
  sizeFlag,
  type WeightedQueue,
  weightedQueuesFlag,
} from '../flags.js';
import { flushed } from '../streams.js';
import type { WorkerFlags } from '../worker/run.js';

/** How long the process waits at its end for the reader of the log to take the last lines. */
const LAST_LINES_MS = 1000;

/** Adds `worker` to the program. */
export function addWorkerCommand(program: Command): void {
  const command = program.command('worker').description('run the tasks of your app');
  addOptionFlags(command);
  command
    .option('-X, --exclude-queues <queues>', 'queues not to take from', queuesFlag('-X'))
    .option('--purge', 'first drop what waits in its queues')
    .option('-f, --logfile <file>', 'append the log to this file; %n, %h: the name and host of the node')
    .option('--pidfile <file>', 'hold this file while it runs; refused while another worker does')
    .option('--log-format <format>', 'text or json', choiceFlag('--log-format', ['text', 'json']), 'text')
    .addHelpText('after', SIGNALS)
    .action(async (_flags, command: Command) => {
      const flags = command.optsWithGlobals<WorkerFlags>();
      const { runWorker } = await import('../worker/run.js');
      const code = await runWorker(requireApp(flags), flags);
      // A stuck reader of the log must not delay the end of the worker.
      await flushed(LAST_LINES_MS);
      process.exit(code);
    });
}

/** Adds the flags in the worker's option table. */
function addOptionFlags(command: Command): void {
  for (const option of Object.values<AnyOption>(WORKER_OPTIONS))
    for (const { spec, help } of option.flags ?? []) {
      const read = OWN_FLAGS.get(longOf(spec)) ?? readerOf(option, labelOf(spec));
      const text = `${help}${defaultText(option)}`;
      if (read === undefined) command.option(spec, text);
      else command.option<unknown>(spec, text, read);
    }
}

type FlagReader = (text: string, before: unknown) => unknown;

/** Flags with a syntax other than that of their options. */
const OWN_FLAGS: ReadonlyMap<string, FlagReader> = new Map<string, FlagReader>([
  ['--autoscale', autoscaleFlag],
  ['--queues', (text, before) => weightedQueuesFlag(text, before as WeightedQueue[] | undefined)],
  ['--hostname', nodeNameFlag],
  ['--health-port', countFlag('--health-port', 0)],
]);

/** @returns undefined if the flag's text needs no parsing */
function readerOf({ kind, choices = [] }: AnyOption, label: string): FlagReader | undefined {
  switch (kind) {
    case 'count':
      return countFlag(label);
    case 'duration':
      return durationFlag(label);
    case 'size':
      return sizeFlag(label);
    case 'one of':
      return choiceFlag(label, choices);
    default:
      return undefined;
  }
}

function defaultText({ default: value, without, kind }: AnyOption): string {
  if (value !== undefined) return ` (default ${String(value)})`;
  return kind === 'count' && without !== undefined ? ` (default: ${without})` : '';
}

function longOf(spec: string): string {
  return /--[a-z-]+/.exec(spec)?.[0] ?? spec;
}

/** The flag's name in errors: its short form if it has one. */
function labelOf(spec: string): string {
  return /^-\w/.exec(spec)?.[0] ?? longOf(spec);
}

const SIGNALS = `
Signals:
  SIGTERM, SIGINT, SIGHUP   take nothing new, finish what runs, exit 0
  second SIGINT             hand back what runs, exit 0
  SIGQUIT                   hand back what runs, exit 1
  SIGUSR1                   log what is running`;

function requireApp(flags: WorkerFlags): string {
  const spec = appSpec(flags);
  if (spec !== undefined) return spec;
  throw new OptionError(
    'worker: which app? Name the module that exports it, as in "celeriac -A tasks worker", or set CELERIAC_APP.',
  );
}
