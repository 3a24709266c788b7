/** A schedule in words: `every 5min, from 2027-01-01`. Pure. */
import { durationText } from '../duration.js';
import type { Schedule } from '../options/schedules.js';

/** One line for people. */
export function scheduleText(schedule: Schedule): string {
  const { timezone, startAt, endAt, jitterMs, catchUp } = schedule;
  return [
    timezone === undefined ? whenText(schedule) : `${whenText(schedule)} ${timezone}`,
    ...(startAt === undefined ? [] : [`from ${startAt}`]),
    ...(endAt === undefined ? [] : [`until ${endAt}`]),
    ...(jitterMs === undefined ? [] : [`up to ${durationText(jitterMs)} later`]),
    ...(catchUp === undefined ? [] : [`missed ones: ${catchUp}`]),
  ].join(', ');
}

function whenText(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'crontab':
      return schedule.expression;
    case 'own':
      return 'by code of its own';
    case 'at':
      return `at ${schedule.at}`;
    case 'every':
      return `every ${durationText(schedule.everyMs)}${schedule.aligned === true ? ' aligned' : ''}`;
  }
}
