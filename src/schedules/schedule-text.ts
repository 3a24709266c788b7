/** A schedule in words: `every 5min, from 2027-01-01`. Pure. */
import type { Schedule } from '../options/schedules.js';

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
] as const;

/** One line for people. */
export function scheduleText(schedule: Schedule): string {
  const { timezone, startAt, endAt, jitterMs, catchUp } = schedule;
  return [
    timezone === undefined ? whenText(schedule) : `${whenText(schedule)} ${timezone}`,
    ...(startAt === undefined ? [] : [`from ${startAt}`]),
    ...(endAt === undefined ? [] : [`until ${endAt}`]),
    ...(jitterMs === undefined ? [] : [`up to ${lengthText(jitterMs)} later`]),
    ...(catchUp === undefined ? [] : [`missed ones: ${catchUp}`]),
  ].join(', ');
}

function whenText(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'crontab':
      return schedule.expression;
    case 'at':
      return `at ${schedule.at}`;
    case 'every':
      return `every ${lengthText(schedule.everyMs)}${schedule.aligned === true ? ' aligned' : ''}`;
  }
}

function lengthText(lengthMs: number): string {
  const [ms, unit] = UNITS.find(([length]) => lengthMs > 0 && lengthMs % length === 0) ?? [1, 'ms'];
  return `${lengthMs / ms}${unit}`;
}
