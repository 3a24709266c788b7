/**
 * The task option `schedule`: one schedule or several under names of their own, with arguments, and of kinds that are a
 * program's own code. Reads them; `src/schedules/` ticks them.
 */
import { createHash } from 'node:crypto';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { isPlainText } from '../text-escape.js';
import { checkNames } from './names.js';
import { checkSchedule, type Schedule } from './schedules.js';

/** A schedule of a kind of your own: an object, or an instance of a class. */
export interface OwnSchedule {
  /** The first tick after a moment; `null` for none. It must answer the same in every process. */
  next(after: Date): Date | null;
}

/** A tick, for the arguments of its task. */
export interface DueTick {
  /** The moment it was due. */
  readonly at: Date;
  /** The schedule's name. */
  readonly name: string;
}

type Arguments = readonly unknown[];

/** A schedule with the arguments of its task. */
export interface ScheduleWithArgs {
  /** When it ticks. */
  when: Schedule | OwnSchedule;
  /** The arguments, or a function that makes them at each tick. Default: none. */
  args?: Arguments | ((tick: DueTick) => Arguments | Promise<Arguments>);
}

/** One of several schedules of a task. */
export interface NamedSchedule extends ScheduleWithArgs {
  /** The schedule's name, unique in the app. Default: the task's. */
  name?: string;
}

/** What the task option `schedule` takes. */
export type DeclaredSchedules =
  | Schedule
  | OwnSchedule
  | NamedSchedule
  | readonly NamedSchedule[]
  | Readonly<Record<string, Schedule | OwnSchedule | ScheduleWithArgs>>;

/** A declared schedule, read. */
export interface DeclaredSchedule {
  readonly name: string;
  readonly when: Schedule;
  /** The code of a kind of its own. */
  readonly own: OwnSchedule | undefined;
  readonly args: Arguments | ((tick: DueTick) => unknown);
}

const WITH_ARGS: readonly string[] = ['when', 'args'];
const NAMED: readonly string[] = ['name', ...WITH_ARGS];

/**
 * Reads the option.
 * @param task the task's name, which a schedule without a name has
 * @throws {OptionError} for what is no schedule, and for two of one name
 */
export function readDeclared(given: unknown, task: string, where: string): readonly DeclaredSchedule[] {
  if (given === undefined) return NONE;
  const read = isWithArgs(given)
    ? [readNamed(given, task, where)]
    : isPlain(given)
      ? [readOne(given, task, where)]
      : readSeveral(given, task, where);
  const names = new Set<string>();
  for (const { name } of read) {
    if (names.has(name)) throw new OptionError(`${where}: two schedules are called "${name}".`);
    names.add(name);
  }
  return read;
}

const NONE: readonly DeclaredSchedule[] = Object.freeze([]);

/** Reads the option where it is written, before the task has its name. */
export function checkDeclaredSchedules(given: unknown, where: string): DeclaredSchedules {
  readDeclared(given, 'the task', where);
  return given as DeclaredSchedules;
}

/** @throws {OptionError} for anything but a non-empty text that every broker stores */
export function checkScheduleName(name: unknown, where: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && isPlainText(name)) return;
  throw new OptionError(
    `${where}: ${show(name)} is not a schedule's name. Use a non-empty string without NUL and lone surrogates.`,
  );
}

/** One schedule without arguments, or what is none at all. */
function isPlain(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return true;
  return isOwn(given) || typeof Reflect.get(given, 'kind') === 'string';
}

function isOwn(value: unknown): value is OwnSchedule {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'next') === 'function';
}

function readSeveral(given: unknown, task: string, where: string): DeclaredSchedule[] {
  if (Array.isArray(given)) return given.map((each: unknown, i) => readNamed(each, task, `${where}[${i}]`));
  return Object.entries(given as object).map(([name, each]) => readOne(each, name, `${where}: "${name}"`));
}

function readNamed(given: unknown, task: string, where: string): DeclaredSchedule {
  if (!isWithArgs(given)) throw new OptionError(`${where} must be { name, when, args }; got ${show(given)}.`);
  checkNames(given, NAMED, where);
  const { name = task, ...rest } = given as NamedSchedule;
  return readOne(rest, name, where);
}

function readOne(given: unknown, name: string, where: string): DeclaredSchedule {
  checkScheduleName(name, where);
  if (!isWithArgs(given)) return { name, ...whenOf(given, where), args: NO_ARGS };
  checkNames(given, WITH_ARGS, where);
  const { when, args = NO_ARGS } = given;
  if (!Array.isArray(args) && typeof args !== 'function')
    throw new OptionError(
      `${where}: args must be a list, or a function of the tick that gives one; got ${show(args)}.`,
    );
  return { name, ...whenOf(when, `${where}: when`), args };
}

function isWithArgs(given: unknown): given is ScheduleWithArgs {
  return typeof given === 'object' && given !== null && !isOwn(given) && 'when' in given;
}

const NO_ARGS: Arguments = Object.freeze([]);

function whenOf(given: unknown, where: string): Pick<DeclaredSchedule, 'when' | 'own'> {
  if (!isOwn(given)) return { when: checkSchedule(given, where), own: undefined };
  return { when: Object.freeze({ kind: 'own', code: codeOf(given.next, given) }), own: given };
}

/** A mark of code and of the data that it works with: other code is another schedule. */
export function codeOf(code: unknown, data: object = {}): string {
  return createHash('sha256')
    .update(`${String(code)}\n${textOf(data)}`)
    .digest('hex')
    .slice(0, 12);
}

function textOf(data: object): string {
  try {
    return JSON.stringify(data);
  } catch {
    return ''; // not plain: its code alone tells
  }
}
