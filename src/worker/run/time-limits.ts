/**
 * The time limits of a call, from the first source that sets them: the call itself, remote control, the task, the
 * worker. Holds the changes made by remote control.
 */
import { checkLimits } from '../../options/checks.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { CallLimits } from './call-host.js';

/** Limits as remote control sets them, ms; `null` for none, absent to leave one as it is. */
export interface ChangedLimits {
  readonly softMs?: number | null;
  readonly hardMs?: number | null;
}

/** Limits that a task has of its own, ms; `null` where remote control has lifted one. `concurrency` counts the whole fleet. */
export interface TaskLimits {
  readonly softTimeLimit?: number | null;
  readonly timeLimit?: number | null;
  readonly concurrency?: number;
}

/** Limits that a call brings, ms; `null` for none. */
interface OwnLimits {
  readonly soft?: number | null | undefined;
  readonly hard?: number | null | undefined;
}

export class TimeLimits {
  readonly #changed = new Map<string, ChangedLimits>();

  /** @param defaults limits of tasks without their own */
  constructor(private readonly defaults: CallLimits | undefined) {}

  /**
   * Sets the limits of later calls that bring none of their own.
   * @returns both limits as they are now
   * @throws {OptionError} when the soft limit would be longer than the hard one
   */
  change(task: RegisteredTask, { softMs, hardMs }: ChangedLimits): CallLimits {
    const now = {
      ...this.#changed.get(task.name),
      ...(softMs !== undefined && { softMs }),
      ...(hardMs !== undefined && { hardMs }),
    };
    const limits = this.#without(task, now);
    checkLimits(limits.softMs, limits.hardMs, `task "${task.name}"`);
    this.#changed.set(task.name, now);
    return limits;
  }

  /** What the tasks and remote control set, by the name of the task. Left out: tasks with the worker's limits only. */
  ofTasks(tasks: readonly RegisteredTask[]): Record<string, TaskLimits> {
    const limited = tasks.map((task) => [task.name, this.#ownOf(task)] as const);
    return Object.fromEntries(limited.filter(([, limits]) => Object.keys(limits).length > 0));
  }

  #ownOf({ name, run }: RegisteredTask): TaskLimits {
    const { softMs = run.softTimeLimitMs, hardMs = run.timeLimitMs } = this.#changed.get(name) ?? {};
    return {
      ...(softMs !== undefined && { softTimeLimit: softMs }),
      ...(hardMs !== undefined && { timeLimit: hardMs }),
      ...(run.concurrency !== undefined && { concurrency: run.concurrency.limit }),
    };
  }

  /** The limits of one call. */
  of(task: RegisteredTask, own: OwnLimits): CallLimits {
    const { softMs, hardMs } = this.#without(task, this.#changed.get(task.name));
    return { softMs: limitOf(own.soft, softMs), hardMs: limitOf(own.hard, hardMs) };
  }

  /** The limits of a call that brings none. */
  #without({ run }: RegisteredTask, changed: ChangedLimits | undefined): CallLimits {
    return {
      softMs: limitOf(changed?.softMs, run.softTimeLimitMs ?? this.defaults?.softMs),
      hardMs: limitOf(changed?.hardMs, run.timeLimitMs ?? this.defaults?.hardMs),
    };
  }
}

function limitOf(given: number | null | undefined, otherwise: number | undefined): number | undefined {
  return given === null ? undefined : (given ?? otherwise);
}
