/**
 * `celeriac failed list|show|retry|delete`: the tasks that failed. They work on the broker, so they need neither code
 * nor workers. Each is a method of `app.failed`.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { OptionError } from '../../errors.js';
import { commandLine, type GlobalFlags, shellWord, withApp } from '../connect.js';
import { describeError, EXIT } from '../exit.js';
import { countFlag } from '../flags.js';
import type { Output } from '../output.js';
import { momentText } from '../text/human.js';
import { showSnapshot, showStack } from './call.js';
import { confirm } from './confirm.js';

interface FailedFlags extends GlobalFlags {
  readonly queue?: string;
  readonly task?: string;
  readonly tag?: string;
  readonly limit?: number;
  readonly after?: string;
  readonly all?: boolean;
  readonly fresh?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

type Snapshot = Awaited<ReturnType<Celeriac['failed']['list']>>[number];
type Act = 'retry' | 'delete';

/** Adds `failed` to the program. */
export function addFailedCommands(program: Command): void {
  const failed = program.command('failed').description('tasks that failed: list, show, retry or delete them');
  filters(failed.command('list').description('failed tasks, newest first'))
    .option('--limit <n>', 'how many (default 50)', countFlag('--limit'))
    .option('--after <id>', 'those that failed before this one: the last of the page before')
    .option('--json', 'print them as JSON')
    .action((_flags, command: Command) => list(command.optsWithGlobals<FailedFlags>()));
  failed
    .command('show')
    .description('one failed task, with the stack of its error')
    .argument('<id>', 'its id')
    .option('--json', 'print its snapshot as JSON')
    .action((id: string, _flags, command: Command) => show(id, command.optsWithGlobals<FailedFlags>()));
  for (const [act, about] of [
    ['retry', 'run failed tasks again under their ids; finished steps are kept'],
    ['delete', 'drop the records of failed tasks'],
  ] as const) {
    const command = filters(failed.command(act).description(about))
      .argument('[id...]', 'their ids')
      .option('--all', 'all there are, or with -Q, -t or --tag all that match')
      .option('-y, --yes', 'do not ask')
      .option('--json', 'print what was done as JSON')
      .action((ids: string[], _flags, command: Command) =>
        change(act, ids, command.optsWithGlobals<FailedFlags>()),
      );
    if (act === 'retry') command.option('--fresh', 'start over: run finished steps again, too');
  }
}

function filters(command: Command): Command {
  return command
    .option('-Q, --queue <queue>', 'only of this queue')
    .option('-t, --task <name>', 'only of this name')
    .option('--tag <tag>', 'only with this tag');
}

function filterOf({ queue, task, tag }: FailedFlags): { queue?: string; task?: string; tag?: string } {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(task === undefined ? {} : { task }),
    ...(tag === undefined ? {} : { tag }),
  };
}

async function list(flags: FailedFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  const { limit = 50, after } = flags;
  await withApp(flags, async (app) => {
    const page = { limit, ...(after === undefined ? {} : { after }) };
    const tasks = await app.failed.list({ ...filterOf(flags), ...page });
    if (flags.json) return out.json(tasks);
    if (tasks.length === 0) return out.note('celeriac: there are no failed tasks, or none that match.');
    showTable(tasks, out);
    const last = tasks.at(-1);
    if (tasks.length === limit && last !== undefined) {
      const filters = [
        ...flagOf('-Q', flags.queue),
        ...flagOf('-t', flags.task),
        ...flagOf('--tag', flags.tag),
      ];
      const words = [
        'failed list',
        ...filters,
        ...flagOf('--limit', flags.limit),
        ...flagOf('--after', last.id),
      ];
      out.note(`More: "${commandLine(words.join(' '), flags)}"`);
    }
  });
}

function flagOf(flag: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [`${flag} ${shellWord(String(value))}`];
}

function showTable(tasks: readonly Snapshot[], out: Output): void {
  const columns = [
    { title: 'id', keep: true },
    { title: 'task', name: true },
    { title: 'queue', name: true },
    { title: 'failed', keep: true },
    { title: 'error', below: true },
  ];
  const rows = tasks.map(({ id, name, queue, doneAt, error }) => [
    id,
    name ?? '',
    queue ?? '',
    momentText(doneAt, Number.isFinite(out.columns)),
    error === undefined ? '' : describeError(error.cause ?? error, false),
  ]);
  out.table(columns, rows);
}

async function show(id: string, flags: FailedFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const task = await app.failed.get(id);
    if (flags.json) out.json(task);
    if (task === undefined) {
      out.note(`celeriac: no failed task "${id}" is kept.`);
      process.exitCode = EXIT.failed;
      return;
    }
    if (flags.json) return;
    await showSnapshot(task, out);
    showStack(task, out);
  });
}

const WORDS = { retry: ['Run', 'again', 'runs again'], delete: ['Delete', 'for good', 'deleted'] } as const;

async function change(act: Act, ids: readonly string[], flags: FailedFlags): Promise<void> {
  const wanted = whichOf(act, ids, flags);
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const [verb, how, done] = WORDS[act];
    const what = ids.length > 0 ? ids.join(', ') : `all failed tasks${whereOf(flags)}`;
    // Running one named task again needs no confirmation.
    const asks = act === 'delete' || ids.length === 0;
    if (asks && !(await confirm(`${verb} ${what} of "${app.name}" ${how}?`, flags.yes, out))) {
      process.exitCode = EXIT.failed;
      return;
    }
    const { fresh = false } = flags;
    const reply = await (act === 'retry' ? app.failed.retry(wanted, { fresh }) : app.failed.delete(wanted));
    if (flags.json) out.json(reply);
    else for (const id of reply.done) out.line(`${id}: ${done}`);
    for (const [id, why] of Object.entries(reply.refused)) out.note(`celeriac: ${id}: ${why}`);
    if (reply.done.length === 0 && ids.length === 0) out.note('celeriac: no failed task matches.');
    process.exitCode = Object.keys(reply.refused).length === 0 ? EXIT.ok : EXIT.failed;
  });
}

/** Ids, or `--all` with its filters, so that an empty variable in a script never means all tasks. */
function whichOf(act: Act, ids: readonly string[], flags: FailedFlags) {
  const { all = false, queue, task, tag } = flags;
  if (ids.length > 0) {
    if (!all && queue === undefined && task === undefined && tag === undefined) return ids;
    throw new OptionError(`failed ${act}: give ids, or --all with -Q, -t and --tag, not both.`);
  }
  if (all) return filterOf(flags);
  throw new OptionError(`failed ${act}: which? Give ids, or --all (with -Q, -t or --tag for some of them).`);
}

function whereOf({ queue, task, tag }: FailedFlags): string {
  const named = task === undefined ? '' : ` named ${task}`;
  const tagged = tag === undefined ? '' : ` with the tag ${tag}`;
  return `${named}${tagged}${queue === undefined ? '' : ` in ${queue}`}`;
}
