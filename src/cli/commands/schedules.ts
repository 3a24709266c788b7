/**
 * `celeriac schedules …`: shows and changes schedules. Each command is one method of `app.schedules`, which works on
 * the broker, so none needs code or workers.
 */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { scheduleText } from '../../schedules/schedule-text.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { EXIT } from '../exit.js';
import type { Output } from '../output.js';
import { momentText, oneLine } from '../text/human.js';
import { confirm } from './confirm.js';
import { addSetScheduleCommands } from './set-schedule.js';

interface ScheduleFlags extends GlobalFlags {
  readonly json?: boolean;
  readonly yes?: boolean;
}

type Schedules = Celeriac['schedules'];
type StoredSchedule = NonNullable<Awaited<ReturnType<Schedules['get']>>>;

/** One command: acts on a schedule and prints the result. */
type Act = (schedules: Schedules, name: string, out: Output, flags: ScheduleFlags) => Promise<void>;

/** Adds `schedules` and its commands to the program. */
export function addScheduleCommands(program: Command): void {
  const group = program.command('schedules').description('what runs by itself');
  group
    .command('list')
    .description('all schedules: when they run, and what')
    .option('--json', 'print them as JSON')
    .action((_flags, command: Command) => list(command.optsWithGlobals<ScheduleFlags>()));
  const add = (name: string, about: string, act: Act): Command =>
    group
      .command(name)
      .description(about)
      .argument('<name>', 'the schedule')
      .option('--json', 'print what comes of it as JSON')
      .action((schedule: string, _flags, command: Command) =>
        run(schedule, command.optsWithGlobals<ScheduleFlags>(), act),
      );
  add('get', 'one schedule, with its arguments and options', get);
  add('history', 'its last 20 ticks, newest first', history);
  addSetScheduleCommands(group);
  add('pause', 'no more ticks until it is resumed', (schedules, name, out, flags) =>
    change(schedules.pause(name), out, flags),
  );
  add('resume', 'tick again, from the next time on', (schedules, name, out, flags) =>
    change(schedules.resume(name), out, flags),
  );
  add('run-now', 'send its task now, beside the schedule; prints the id', runNow);
  add('remove', 'remove it; one declared in code comes back with its next worker', remove).option(
    '-y, --yes',
    'do not ask',
  );
}

async function list(flags: ScheduleFlags): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const entries = await app.schedules.list();
    if (flags.json) return out.json(entries);
    if (entries.length > 0) return showTable(entries, out);
    out.note(
      `celeriac: the app "${app.name}" has no schedules: none was set, and no worker that declares one runs.`,
    );
  });
}

async function run(name: string, flags: ScheduleFlags, act: Act): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, (app) => act(app.schedules, name, out, flags));
}

const get: Act = async (schedules, name, out, { json }) => {
  const entry = await schedules.get(name);
  if (json) out.json(entry);
  else if (entry !== undefined) show(entry, out);
  if (entry !== undefined) return;
  out.note(`celeriac: there is no schedule "${name}".`);
  process.exitCode = EXIT.failed;
};

const history: Act = async (schedules, name, out, { json }) => {
  const ticks = await schedules.history(name);
  if (json) return out.json(ticks);
  if (ticks.length === 0) return out.note(`celeriac: the schedule "${name}" has not ticked yet.`);
  const columns = [
    { title: 'tick', keep: true },
    { title: 'late', keep: true },
    { title: 'task', name: true },
  ];
  out.table(
    columns,
    ticks.map(({ at, taskId, late }) => [at.toISOString(), `${late} ms`, taskId]),
  );
};

const runNow: Act = async (schedules, name, out, { json }) => {
  const result = await schedules.runNow(name);
  if (json) out.json(result);
  else out.value(result.id);
};

const remove: Act = async (schedules, name, out, { json, yes }) => {
  if (!(await confirm(`Remove the schedule "${name}"?`, yes, out))) {
    process.exitCode = EXIT.failed;
    return;
  }
  const removed = await schedules.remove(name);
  if (json) out.json(removed);
  else if (removed) out.line(`${name}: removed`);
  if (!removed) out.note(`celeriac: there is no schedule "${name}".`);
};

async function change(
  changing: Promise<StoredSchedule>,
  out: Output,
  { json }: ScheduleFlags,
): Promise<void> {
  const entry = await changing;
  if (json) out.json(entry);
  else
    out.line(
      `${entry.name}: ${entry.paused ? 'paused' : `next run ${entry.nextRunAt?.toISOString() ?? 'never'}`}`,
    );
}

function showTable(entries: readonly StoredSchedule[], out: Output): void {
  const columns = [
    { title: 'name', keep: true },
    { title: 'schedule', keep: true },
    { title: 'task', name: true },
    { title: 'next run', keep: true },
    { title: 'last run', keep: true, below: true },
  ];
  const rows = entries.map((entry) => [
    entry.name,
    scheduleText(entry.schedule),
    entry.task,
    nextText(entry, Number.isFinite(out.columns)),
    momentText(entry.lastRunAt, Number.isFinite(out.columns)),
  ]);
  out.table(columns, rows);
}

function show(entry: StoredSchedule, out: Output): void {
  const rows: [string, string | undefined][] = [
    ['name', entry.name],
    ['schedule', scheduleText(entry.schedule)],
    ['task', entry.task],
    ['args', entry.args.length === 0 ? undefined : entry.args.map(oneLine).join(', ')],
    ['options', Object.keys(entry.options).length === 0 ? undefined : oneLine(entry.options)],
    ['next', nextText(entry, false)],
    ['last', entry.lastRunAt?.toISOString()],
  ];
  for (const [title, text] of rows) {
    if (text !== undefined) out.entry(out.colors.dim(title.padEnd(LABEL_WIDTH)), LABEL_WIDTH, text);
  }
}

const LABEL_WIDTH = 10;

function nextText({ paused, nextRunAt }: StoredSchedule, short: boolean): string {
  return paused ? 'paused' : momentText(nextRunAt, short) || 'never';
}
