/**
 * `celeriac queues`, `purge`, `control pause` and `control resume`: show queues, and act on whole queues. They work on
 * the broker, so they need neither code nor workers. Each is a method of `app.queues` or `app.control`.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { checkQueueName } from '../../options/checks.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import { queuesFlag } from '../flags.js';
import type { Output } from '../output.js';
import { type BroadcastFlags, errorOf, exitCodeOfReplies, type Replies, repliesOf } from './broadcast.js';
import { confirm } from './confirm.js';

interface QueueFlags extends GlobalFlags {
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly queues?: string[];
}

type QueueInfo = Awaited<ReturnType<Celeriac['queues']['get']>>;

/** Adds `queues` and `purge` to the program. */
export function addQueueCommands(program: Command): void {
  program
    .command('queues')
    .description('the queues, and how many tasks are where')
    .option('--json', 'print them as JSON')
    .action((_flags, command: Command) => listQueues(command.optsWithGlobals<QueueFlags>()));
  program
    .command('purge')
    .description('delete waiting and delayed tasks; their callers get TaskRevokedError')
    .option('-Q, --queues <queues>', 'only of these queues (comma, repeatable)', queuesFlag('-Q'))
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print how many were dropped, by queue, as JSON')
    .action((_flags, command: Command) => purge(command.optsWithGlobals<QueueFlags>()));
}

async function listQueues(flags: QueueFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const queues = await app.queues.list();
    if (flags.json) return out.json(queues);
    if (queues.length > 0) return showTable(queues, out);
    out.note(`celeriac: the app "${app.name}" has no queues yet: nothing was sent, no worker was started.`);
  });
}

const SIZES = ['waiting', 'active', 'delayed', 'failed', 'finished'] as const;

function showTable(queues: readonly QueueInfo[], out: Output): void {
  // Only workflows have such tasks: the column is shown only if there are any.
  const blocked = queues.some(({ waitingChildren }) => waitingChildren > 0);
  const columns = [
    { title: 'queue', name: true },
    ...SIZES.map((title) => ({ title, right: true })),
    ...(blocked ? [{ title: 'for others', right: true }] : []),
    { title: '' },
  ];
  const rows = queues.map((queue) => [
    queue.name,
    ...SIZES.map((size) => String(queue[size])),
    ...(blocked ? [String(queue.waitingChildren)] : []),
    queue.paused ? 'paused' : '',
  ]);
  out.table(columns, rows);
}

async function purge(flags: QueueFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const all = await app.queues.list();
    const wanted = [...new Set(flags.queues ?? all.map(({ name }) => name))];
    const chosen = all.filter(({ name }) => wanted.includes(name));
    const unknown = wanted.filter((name) => !chosen.some((queue) => queue.name === name));
    // A misspelt name must not look like an empty queue.
    if (unknown.length > 0) process.exitCode = EXIT.failed;
    for (const name of unknown) out.note(`celeriac: ${await unknownText(name, all)}`);
    const waiting = chosen.reduce((sum, queue) => sum + queue.waiting + queue.delayed, 0);
    const names = chosen.map(({ name }) => name);
    const question = `Drop ${tasks(waiting)} waiting in ${names.join(', ')} of "${app.name}"?`;
    if (waiting > 0 && !(await confirm(question, flags.yes, out))) {
      process.exitCode = EXIT.failed;
      return;
    }
    const dropped = await app.queues.purge(names);
    if (flags.json) return out.json(dropped);
    if (all.length === 0) out.note(`celeriac: the app "${app.name}" has no queue to purge.`);
    for (const [name, count] of Object.entries(dropped)) out.line(`${name}: ${tasks(count)} dropped`);
  });
}

async function unknownText(name: string, all: readonly QueueInfo[]): Promise<string> {
  const { nearest } = await import('../../options/names.js');
  const near = nearest(
    name,
    all.map((queue) => queue.name),
  );
  return `no queue "${name}" is known.${near === undefined ? '' : ` Did you mean "${near}"?`}`;
}

function tasks(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`;
}

/** Gives `control pause` or `control resume` its argument and its action. */
export function addPauseCommand(command: Command, act: 'pause' | 'resume'): void {
  command
    .argument('<queue>', 'its name')
    .action((queue: string, _flags, self: Command) =>
      setPaused(act, queue, self.optsWithGlobals<BroadcastFlags>()),
    );
}

/** A pause is stored in the broker and needs no worker, so an empty fleet is no failure. */
async function setPaused(act: 'pause' | 'resume', queue: string, flags: BroadcastFlags): Promise<void> {
  checkQueueName(queue, `control ${act}`);
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const { replies, remark } = await repliesOf(app, flags, (api, options) =>
      api.control[act](queue, options),
    );
    if (flags.json) out.json(replies);
    else showPaused(act, queue, replies, out);
    if (remark !== undefined) out.note(`celeriac: ${remark}`);
    process.exitCode = exitCodeOf(replies, remark);
  });
}

function showPaused(act: 'pause' | 'resume', queue: string, replies: Replies, out: Output): void {
  for (const [node, reply] of Object.entries(replies).sort(([a], [b]) => a.localeCompare(b))) {
    const error = errorOf(reply);
    const said = error === undefined ? String((reply as { ok: string }).ok) : out.colors.red(error);
    out.line(`${out.colors.bold(node)}: ${said}`);
  }
  if (Object.keys(replies).length > 0) return;
  out.line(
    act === 'pause'
      ? `"${queue}" is paused, for workers that start later as well; now there is none.`
      : `"${queue}" goes on as soon as a worker takes from it; now there is none.`,
  );
}

/** Some nodes may not consume the queue; the command fails only if every node refused. */
function exitCodeOf(replies: Replies, remark: string | undefined): number {
  if (remark !== undefined) return EXIT.unavailable;
  const answers = Object.values(replies);
  if (answers.length === 0 || answers.some((reply) => errorOf(reply) === undefined)) return EXIT.ok;
  return exitCodeOfReplies(replies);
}
