/**
 * `app.schedules`: reads and changes schedules from any process. Every method reads or writes one or two records in
 * the broker; the workers do the ticking.
 */
import { isDeepStrictEqual } from 'node:util';
import { ScheduleStore } from '../coordination/schedule-store.js';
import { CeleriacError, OptionError } from '../errors.js';
import { checkTaskName } from '../options/checks.js';
import { checkScheduleName } from '../options/declared-schedules.js';
import { checkNames } from '../options/names.js';
import { checkSchedule, type Schedule } from '../options/schedules.js';
import type { AsyncResult } from '../results/async-result.js';
import {
  isAbandoned,
  pauseEntry,
  resumeEntry,
  type ScheduleOptions,
  type StoredEntry,
  setEntry,
  setsOf,
} from './entry.js';
import { ScheduledCalls, type ScheduleHost } from './scheduled-calls.js';

/** Argument of {@link Schedules.upsert}. */
export interface ScheduleDefinition<A extends readonly unknown[] = readonly unknown[]> {
  /** Name of the schedule, unique in the app. */
  name: string;
  /** When it ticks: `crontab(...)`, `every(...)` or `at(...)`. */
  schedule: Schedule;
  /** What it runs: a task's name, or its handle. */
  task: string | { readonly name: string; readonly delay: (...args: A) => unknown };
  /** Arguments of the task. Default: none. */
  args?: A;
  /** As for `applyAsync`, without `taskId` and `eta`; `expires` counts from each tick. */
  options?: ScheduleOptions;
}

/** The current state of a schedule. */
export interface ScheduleEntry {
  readonly name: string;
  /** The task's name. */
  readonly task: string;
  /** Where the task hides them, what is shown in their place. */
  readonly args: readonly unknown[];
  readonly options: ScheduleOptions;
  readonly schedule: Schedule;
  readonly paused: boolean;
  /** The next tick; `undefined` while paused. */
  readonly nextRunAt: Date | undefined;
  /** The last tick; `undefined` before the first one. */
  readonly lastRunAt: Date | undefined;
}

/** A tick that sent a task. */
export interface ScheduleTick {
  /** When it was due. */
  readonly at: Date;
  /** The id of its task. */
  readonly taskId: string;
  /** How much later than due it was sent, ms. */
  readonly late: number;
}

const DEFINITION: readonly string[] = ['name', 'schedule', 'task', 'args', 'options'];

export class Schedules {
  readonly #store: ScheduleStore<StoredEntry>;
  readonly #calls: ScheduledCalls;

  constructor(private readonly host: ScheduleHost) {
    this.#store = new ScheduleStore(host.engine);
    this.#calls = new ScheduledCalls(host);
  }

  /**
   * Sets or changes a schedule; a paused one stays paused. Setting the same schedule again changes nothing, so a
   * program may do it at each start. A schedule set here outranks a declaration of the same name.
   * @throws {OptionError} and the errors of an invalid call of the task
   * @example await app.schedules.upsert({ name: 'nightly', schedule: crontab('0 3 * * *'), task: cleanup });
   */
  async upsert<A extends readonly unknown[]>(definition: ScheduleDefinition<A>): Promise<ScheduleEntry> {
    const where = 'app.schedules.upsert';
    if (typeof definition !== 'object' || definition === null)
      throw new OptionError(`${where}: give { name, schedule, task, args, options }.`);
    checkNames(definition, DEFINITION, where);
    const { name, args = [], options = {} } = definition;
    checkScheduleName(name, where);
    if (typeof args === 'function')
      throw new OptionError(
        `${where}: args that are made at each tick are code, so they belong to a task: @Task({ schedule: { when, args } }).`,
      );
    const task = typeof definition.task === 'string' ? definition.task : definition.task?.name;
    checkTaskName(task, `${where}: task`);
    const schedule = checkSchedule(definition.schedule, `${where}: schedule`);
    const spec = await this.#calls.spec(task, schedule, await this.#meant(name, task, args), options);
    await this.host.clock.sync();
    const entry = await this.#store.update(name, (old) => setEntry(old, spec, this.host.clock.now()));
    if (entry === undefined) throw unknownSchedule(name);
    return this.#show(name, entry);
  }

  /** All schedules, by name. */
  async list(): Promise<ScheduleEntry[]> {
    const rows = await this.#store.readAll();
    const entries = new Map([...rows].map(([name, { value }]) => [name, value] as const));
    const alive = await this.#aliveOf(entries.values());
    return [...entries]
      .filter(([, entry]) => !isAbandoned(entry, alive))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, entry]) => this.#show(name, entry));
  }

  /** One schedule; `undefined` for an unknown name. */
  async get(name: string): Promise<ScheduleEntry | undefined> {
    const entry = await this.#find(name);
    return entry === undefined ? undefined : this.#show(name, entry);
  }

  /**
   * Removes a schedule. A declared one comes back when a worker that declares it starts: pause it to keep it off.
   * @returns false for an unknown name
   */
  async remove(name: string): Promise<boolean> {
    checkScheduleName(name, 'app.schedules.remove');
    return this.#store.remove(name);
  }

  /**
   * Pauses a schedule until {@link Schedules.resume}, through any restart.
   * @throws {CeleriacError} for an unknown name
   */
  pause(name: string): Promise<ScheduleEntry> {
    return this.#change(name, pauseEntry);
  }

  /**
   * Resumes a schedule with its next tick; missed ticks are not made up for.
   * @throws {CeleriacError} for an unknown name
   */
  resume(name: string): Promise<ScheduleEntry> {
    return this.#change(name, (entry) => resumeEntry(entry, this.host.clock.now()));
  }

  /**
   * Sends the schedule's task now, outside the schedule, also while paused.
   * @throws {CeleriacError} for an unknown name
   */
  async runNow<R = unknown>(name: string): Promise<AsyncResult<R>> {
    const entry = await this.#find(name);
    if (entry === undefined) throw unknownSchedule(name);
    return (await this.#calls.now(name, entry.spec)) as AsyncResult<R>;
  }

  /**
   * The last 20 ticks of a schedule, newest first.
   * @throws {CeleriacError} for an unknown name
   */
  async history(name: string): Promise<ScheduleTick[]> {
    const entry = await this.#find(name);
    if (entry === undefined) throw unknownSchedule(name);
    return (entry.history ?? []).map(({ at, taskId, late }) => ({ at: new Date(at), taskId, late }));
  }

  async #change(
    name: string,
    change: (entry: StoredEntry) => StoredEntry | undefined,
  ): Promise<ScheduleEntry> {
    await this.host.clock.sync();
    if ((await this.#find(name)) === undefined) throw unknownSchedule(name);
    const changed = await this.#store.update(name, (entry) => entry && change(entry));
    if (changed === undefined) throw unknownSchedule(name);
    return this.#show(name, changed);
  }

  /** Who changes what `get()` gave sends back what is shown of arguments that are hidden: then they stay what they are. */
  async #meant(name: string, task: string, args: readonly unknown[]): Promise<readonly unknown[]> {
    if (args.length === 0) return args;
    const spec = (await this.#store.read([name])).get(name)?.value.spec;
    if (spec?.task !== task) return args;
    return isDeepStrictEqual(args, this.#calls.shownArgs(spec)) ? this.#calls.args(spec) : args;
  }

  async #find(name: string): Promise<StoredEntry | undefined> {
    checkScheduleName(name, 'app.schedules');
    const entry = (await this.#store.read([name])).get(name)?.value;
    if (entry?.declared === undefined) return entry;
    return isAbandoned(entry, await this.#aliveOf([entry])) ? undefined : entry;
  }

  async #aliveOf(entries: Iterable<StoredEntry>): Promise<ReadonlySet<string>> {
    const sets = setsOf(entries);
    return sets.length === 0 ? new Set() : new Set((await this.#store.look(sets)).aliveUntil.keys());
  }

  #show(name: string, entry: StoredEntry): ScheduleEntry {
    const { spec, paused, nextAt, sought, lastAt } = entry;
    return {
      name,
      task: spec.task,
      args: this.#calls.shownArgs(spec),
      options: spec.options,
      schedule: spec.schedule,
      paused,
      nextRunAt: nextAt === null || sought === true ? undefined : new Date(nextAt),
      lastRunAt: lastAt === undefined ? undefined : new Date(lastAt),
    };
  }
}

function unknownSchedule(name: string): CeleriacError {
  return new CeleriacError(
    `There is no schedule "${name}". \`celeriac schedules list\`, or app.schedules.list(), tells which there are.`,
  );
}
