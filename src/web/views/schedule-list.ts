/** `GET schedules`: the schedules with their next ticks. */
import { ScheduleStore } from '../../coordination/schedule-store.js';
import type { Schedule } from '../../options/schedules.js';
import type { StoredEntry } from '../../schedules/entry.js';
import { scheduleText } from '../../schedules/schedule-text.js';
import type { ScheduleEntry } from '../../schedules/schedules.js';
import { nextTick, type Timing } from '../../schedules/ticks.js';
import type { ScheduleList, ScheduleSpec, ScheduleView } from '../api.js';
import { sealedText } from '../runs/run-view.js';
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
    schedules: entries.map((entry) =>
      scheduleView(withoutSealed(entry, parts.codec), stored.get(entry.name)?.value, timezone),
    ),
  };
}

/** One schedule, after a change. */
export async function viewOfSchedule({ parts }: WebContext, entry: ScheduleEntry): Promise<ScheduleView> {
  const rows = await new ScheduleStore<StoredEntry>(parts.engine).read([entry.name]);
  const shown = withoutSealed(entry, parts.codec);
  return scheduleView(shown, rows.get(entry.name)?.value, parts.scheduling.timezone);
}

/** With arguments that a serializer hides replaced. */
function withoutSealed(entry: ScheduleEntry, codec: WebContext['parts']['codec']): ScheduleEntry {
  const { serializer } = entry.options;
  const name = typeof serializer === 'object' ? serializer.name : serializer;
  const message = { args: [], ...(name !== undefined && { serializer: name }) };
  const seal = entry.args.length === 0 ? undefined : codec.sealOf(entry.task, message);
  return seal === undefined ? entry : { ...entry, args: [sealedText(seal)] };
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
    lastTaskId: stored?.history?.[0]?.taskId ?? null,
    history: (stored?.history ?? []).map(({ at, taskId, late }) => ({
      at: new Date(at).toISOString(),
      taskId,
      late,
    })),
  };
}

function ticksFrom(first: number, timing: Timing): string[] {
  const ticks: string[] = [];
  for (let at: number | undefined = first; at !== undefined && ticks.length < NEXT; at = nextTick(timing, at))
    ticks.push(new Date(at).toISOString());
  return ticks;
}

function specOf(schedule: Schedule): ScheduleSpec {
  const { timezone, startAt, endAt, jitterMs, catchUp } = schedule;
  const bounds = {
    ...(timezone !== undefined && { timezone }),
    ...(startAt !== undefined && { startAt }),
    ...(endAt !== undefined && { endAt }),
    ...(jitterMs !== undefined && { jitter: jitterMs }),
    ...(catchUp !== undefined && { catchUp }),
  };
  switch (schedule.kind) {
    case 'crontab':
      return { kind: 'crontab', crontab: schedule.expression, ...bounds };
    case 'own':
      return { kind: 'own', ...bounds };
    case 'at':
      return { kind: 'at', at: schedule.at, ...bounds };
    case 'every':
      return {
        kind: 'every',
        every: schedule.everyMs,
        ...(schedule.aligned === true && { aligned: true }),
        ...bounds,
      };
  }
}
