/** The handlers that change schedules. */
import type { Duration, Moment } from '../../duration.js';
import type { Schedule } from '../../options/schedules.js';
import type { ScheduleOptions } from '../../schedules/entry.js';
import { at, crontab, every, type TimingOptions } from '../../schedules/schedule.js';
import type { ScheduleView } from '../api.js';
import { Refusal } from '../http/refusal.js';
import { viewOfSchedule } from '../views/schedule-list.js';
import { type ApiCall, param } from '../web-context.js';
import { note } from './audit.js';
import { checkFields, listField, objectField, optionalText, textField } from './body-fields.js';

/** What a change of a schedule did. */
export interface ScheduleChanged {
  readonly touched: number;
  /** As it is now; absent once it is deleted. */
  readonly schedule?: ScheduleView;
  /** The task that was sent. */
  readonly id?: string;
}

const FIELDS = ['name', 'task', 'spec', 'args', 'options'];

/** The handler of `POST schedules`. */
export async function addSchedule(call: ApiCall): Promise<ScheduleChanged> {
  const name = textField(call.body, 'name');
  if ((await call.context.app.schedules.get(name)) !== undefined)
    throw new Refusal(
      409,
      'DUPLICATE_SCHEDULE',
      `There is a schedule "${name}". PUT schedules/{name} changes it.`,
    );
  return set(call, name);
}

/** The handler of `PUT schedules/{name}`. */
export function putSchedule(call: ApiCall): Promise<ScheduleChanged> {
  const name = param(call, 'name');
  const other = optionalText(call.body, 'name');
  if (other !== undefined && other !== name)
    throw new Refusal(
      400,
      'BAD_BODY',
      `The path says "${name}" and the body "${other}". A schedule keeps its name.`,
    );
  return set(call, name);
}

async function set(call: ApiCall, name: string): Promise<ScheduleChanged> {
  const { context, body } = call;
  checkFields(body, FIELDS);
  const entry = await context.app.schedules.upsert({
    name,
    task: textField(body, 'task'),
    schedule: specIn(body.spec),
    args: listField(body, 'args') ?? [],
    options: objectField(body, 'options') as ScheduleOptions,
  });
  await note(call, 'schedule', name, 1);
  return { touched: 1, schedule: await viewOfSchedule(context, entry) };
}

/** The handlers of `POST schedules/{name}/pause` and `/resume`. */
export function scheduleAction(action: 'pause' | 'resume'): (call: ApiCall) => Promise<ScheduleChanged> {
  return async (call) => {
    const { context, body } = call;
    checkFields(body, []);
    const name = await known(call);
    const entry = await context.app.schedules[action](name);
    await note(call, action, name, 1);
    return { touched: 1, schedule: await viewOfSchedule(context, entry) };
  };
}

/** The handler of `POST schedules/{name}/run-now`. */
export async function runScheduleNow(call: ApiCall): Promise<ScheduleChanged> {
  checkFields(call.body, []);
  const name = await known(call);
  const { id } = await call.context.app.schedules.runNow(name);
  await note(call, 'run-now', name, 1);
  return { touched: 1, id };
}

/** The handler of `DELETE schedules/{name}`. */
export async function deleteSchedule(call: ApiCall): Promise<ScheduleChanged> {
  const name = await known(call);
  await call.context.app.schedules.remove(name);
  await note(call, 'delete', name, 1);
  return { touched: 1 };
}

async function known(call: ApiCall): Promise<string> {
  const name = param(call, 'name');
  if ((await call.context.app.schedules.get(name)) !== undefined) return name;
  throw new Refusal(404, 'UNKNOWN_SCHEDULE', `There is no schedule "${name}".`);
}

/** A spec of the API; a text is a crontab, or `every 5m`. @throws {OptionError} for one that never ticks */
function specIn(spec: unknown): Schedule {
  if (typeof spec === 'string') {
    const [, interval] = /^every\s+(.+)$/.exec(spec.trim()) ?? [];
    return interval === undefined ? crontab(spec) : every(interval as Duration);
  }
  const { kind, every: interval, crontab: expression, at: moment, ...rest } = (spec ?? {}) as Fields;
  const { timezone, ...others } = rest;
  // An empty field of a form names no zone.
  const options = {
    ...others,
    ...(timezone !== '' && timezone !== undefined && { timezone }),
  } as TimingOptions;
  if (kind === 'every') return every(interval as Duration, options);
  if (kind === 'crontab' && typeof expression === 'string') return crontab(expression, options);
  if (kind === 'at') return at(moment as Moment, options);
  throw new Refusal(
    400,
    'BAD_BODY',
    'spec must be { kind: "every", every: "5m" }, { kind: "crontab", crontab: "0 3 * * *" } or { kind: "at", at: ' +
      '"2027-01-01T09:00" }, with timezone, startAt, endAt, jitter and catchUp as needed.',
  );
}

type Fields = Readonly<Record<string, unknown>>;
