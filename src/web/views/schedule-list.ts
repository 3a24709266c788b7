/** `GET schedules`: the schedules with their next ticks. */
import { ScheduleStore } from '../../coordination/schedule-store.js';
import type { Schedule } from '../../options/schedules.js';
import type { StoredEntry } from '../../schedules/entry.js';
import { nextTick, type Timing } from '../../schedules/schedule.js';
import type { ScheduleEntry } from '../../schedules/schedules.js';
import type { ScheduleList, ScheduleSpec, ScheduleView } from '../api.js';
import type { ApiCall, WebContext } from '../web-context.js';

/** Ticks that are shown. */
const NEXT = 5;

/** The handler. */
export async function listSchedules({ context }: ApiCall): Promise<ScheduleList> {
  const { app, parts } = context;
  const [entries, stored] = await Promise.all([
    app.schedules.list(),
    new ScheduleStore<StoredEntry>(parts.engine).readAll(),
  ]);
  const { timezone } = parts.scheduling;
  return {
    schedules: entries.map((entry) => scheduleView(entry, stored.get(entry.name)?.value, timezone)),
  };
}

/** One schedule, after a change. */
export async function viewOfSchedule({ parts }: WebContext, entry: ScheduleEntry): Promise<ScheduleView> {
  const rows = await new ScheduleStore<StoredEntry>(parts.engine).read([entry.name]);
  return scheduleView(entry, rows.get(entry.name)?.value, parts.scheduling.timezone);
}

/** Pure. */
export function scheduleView(
  entry: ScheduleEntry,
  stored: StoredEntry | undefined,
  timezone: string,
): ScheduleView {
  const { name, task, args, options, schedule, paused, nextRunAt, lastRunAt } = entry;
  const timing = { schedule, timezone, anchorAt: stored?.anchorAt ?? 0 };
  return {
    name,
    task,
    spec: specOf(schedule),
    text: scheduleText(schedule),
    args,
    options: { ...options },
    paused,
    source: stored?.declared === undefined ? 'runtime' : 'code',
    next: nextRunAt === undefined ? [] : ticksFrom(nextRunAt.getTime(), timing),
    lastAt: lastRunAt?.toISOString() ?? null,
    lastTaskId: stored?.pending?.taskId ?? null,
    history: [],
  };
}

function ticksFrom(first: number, timing: Timing): string[] {
  const ticks: string[] = [];
  for (let at: number | undefined = first; at !== undefined && ticks.length < NEXT; at = nextTick(timing, at))
    ticks.push(new Date(at).toISOString());
  return ticks;
}

function specOf(schedule: Schedule): ScheduleSpec {
  if (schedule.kind === 'every') return { kind: 'every', every: schedule.everyMs };
  const { expression, timezone } = schedule;
  return { kind: 'crontab', crontab: expression, ...(timezone !== undefined && { timezone }) };
}

function scheduleText(schedule: Schedule): string {
  if (schedule.kind === 'crontab')
    return `${schedule.expression}${schedule.timezone === undefined ? '' : ` (${schedule.timezone})`}`;
  const units: readonly [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  const [ms, unit] = units.find(([size]) => schedule.everyMs % size === 0) ?? [1, 'ms'];
  return `every ${schedule.everyMs / ms} ${unit}`;
}
