/** `celeriac schedules add` and `set`: a schedule from flags. Each is one call of `app.schedules.upsert`. */
import type { Command } from 'commander';
import type { Celeriac } from '../../app.js';
import { CeleriacError, OptionError } from '../../errors.js';
import { present } from '../../options/merge.js';
import type { CatchUp, Schedule } from '../../options/schedules.js';
import { scheduleText } from '../../schedules/schedule-text.js';
import { type GlobalFlags, withApp } from '../connect.js';
import { argsFlag, durationFlag, durationOrMomentFlag, momentFlag } from '../flags.js';

interface SetFlags extends GlobalFlags {
  readonly task?: string;
  readonly every?: number;
  readonly cron?: string;
  readonly at?: string;
  readonly args?: unknown[];
  readonly queue?: string;
  readonly expires?: number | string;
  readonly timezone?: string;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly jitter?: number;
  readonly catchUp?: string;
  readonly aligned?: true;
  readonly json?: boolean;
}

type Entry = NonNullable<Awaited<ReturnType<Celeriac['schedules']['get']>>>;

/** Adds `add` and `set` to the commands of schedules. */
export function addSetScheduleCommands(group: Command): void {
  withFlags(group.command('add').description('make a schedule')).action(
    (name: string, _flags, command: Command) => add(name, command.optsWithGlobals<SetFlags>()),
  );
  withFlags(group.command('set').description('change a schedule: what is not given stays')).action(
    (name: string, _flags, command: Command) => change(name, command.optsWithGlobals<SetFlags>()),
  );
}

function withFlags(command: Command): Command {
  return command
    .argument('<name>', 'the schedule')
    .option('-t, --task <name>', 'what it runs')
    .option('--every <duration>', 'tick this often', durationFlag('--every'))
    .option('--cron <expression>', "tick by the calendar: '0 9 * * 1-5'")
    .option('--at <moment>', 'tick once (ISO 8601)', momentFlag('--at'))
    .option('-a, --args <json>', 'arguments of the task, a JSON array', argsFlag)
    .option('-q, --queue <queue>', 'send its tasks to this queue')
    .option('--expires <when>', 'drop a task unless it started by then', durationOrMomentFlag('--expires'))
    .option('--timezone <zone>', 'such as Europe/Rome')
    .option('--aligned', 'with --every: on the hour, at midnight, …')
    .option('--start-at <moment>', 'no tick before', momentFlag('--start-at'))
    .option('--end-at <moment>', 'no tick after', momentFlag('--end-at'))
    .option('--jitter <duration>', 'start up to this much later', durationFlag('--jitter'))
    .option('--catch-up <which>', 'of missed ticks: last, all or none')
    .option('--json', 'print the schedule as JSON');
}

async function add(name: string, flags: SetFlags): Promise<void> {
  const { task } = flags;
  const when = await scheduleOf(flags);
  if (task === undefined) throw new OptionError('schedules add: --task is missing: what does it run?');
  if (when === undefined)
    throw new OptionError('schedules add: when does it tick? Give --every, --cron or --at.');
  await upsert(name, flags, async (old) => {
    if (old !== undefined)
      throw new CeleriacError(
        `There is a schedule "${name}" already. \`celeriac schedules set ${name} …\` changes it.`,
      );
    return { task, schedule: when, args: flags.args ?? [], options: optionsOf(flags) };
  });
}

async function change(name: string, flags: SetFlags): Promise<void> {
  const timed = [flags.every, flags.cron, flags.at].some((each) => each !== undefined);
  const when = timed ? await scheduleOf(flags) : undefined;
  await upsert(name, flags, async (old) => {
    if (old === undefined)
      throw new CeleriacError(
        `There is no schedule "${name}". \`celeriac schedules add ${name} …\` makes it.`,
      );
    return {
      task: flags.task ?? old.task,
      schedule: when ?? (await scheduleOf({ ...flagsOf(old.schedule), ...flags })) ?? old.schedule,
      args: flags.args ?? [...old.args],
      options: { ...old.options, ...optionsOf(flags) },
    };
  });
}

async function upsert(
  name: string,
  flags: SetFlags,
  defined: (old: Entry | undefined) => Promise<Omit<Parameters<Celeriac['schedules']['upsert']>[0], 'name'>>,
): Promise<void> {
  const { takeStdout } = await import('../output.js');
  const out = takeStdout();
  await withApp(flags, async (app) => {
    const entry = await app.schedules.upsert({ name, ...(await defined(await app.schedules.get(name))) });
    if (flags.json) return out.json(entry);
    const next = entry.nextRunAt?.toISOString() ?? (entry.paused ? 'none, it is paused' : 'never');
    out.line(`${name}: ${scheduleText(entry.schedule)}, next run ${next}`);
  });
}

/** The schedule of these flags; undefined when none says when. */
async function scheduleOf(flags: SetFlags): Promise<Schedule | undefined> {
  const { timezone, startAt, endAt, jitter, catchUp, aligned } = flags;
  const given = { every: flags.every, cron: flags.cron, at: flags.at };
  const kinds = Object.entries(given).filter(([, value]) => value !== undefined);
  if (kinds.length > 1)
    throw new OptionError(
      `schedules: give one of ${kinds.map(([kind]) => `--${kind}`).join(' and ')}, not both.`,
    );
  if (aligned && flags.every === undefined) throw new OptionError('schedules: --aligned belongs to --every.');
  const moment = { timezone, jitter, catchUp: catchUp as CatchUp | undefined };
  if (flags.at !== undefined && (startAt !== undefined || endAt !== undefined))
    throw new OptionError('schedules: --at is one moment: leave out --start-at and --end-at.');
  const bounds = { ...moment, startAt, endAt };
  const { at, crontab, every } = await import('../../schedules/schedule.js');
  if (flags.every !== undefined) return every(flags.every, present({ ...bounds, aligned }));
  if (flags.cron !== undefined) return crontab(flags.cron, present(bounds));
  return flags.at === undefined ? undefined : at(flags.at, present(moment));
}

/** The flags that give a schedule. */
function flagsOf(schedule: Schedule): Partial<SetFlags> {
  const { timezone, startAt, endAt, jitterMs, catchUp } = schedule;
  return present({
    timezone,
    startAt,
    endAt,
    jitter: jitterMs,
    catchUp,
    every: schedule.kind === 'every' ? schedule.everyMs : undefined,
    aligned: schedule.kind === 'every' ? schedule.aligned : undefined,
    cron: schedule.kind === 'crontab' ? schedule.expression : undefined,
    at: schedule.kind === 'at' ? schedule.at : undefined,
  }) as Partial<SetFlags>;
}

function optionsOf({ queue, expires }: SetFlags): { queue?: string; expires?: number | string } {
  return present({ queue, expires }) as { queue?: string; expires?: number | string };
}
