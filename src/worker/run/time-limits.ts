/**
 * The time limits of a call, from whoever has the first say: the call itself, remote control, the task, the worker. It
 * holds what remote control has changed.
 */
import { checkLimits } from '../../options/checks.js';
import type { RegisteredTask } from '../../tasks/registry.js';
import type { CallLimits } from './running-call.js';

/** Limits as remote control sets them, ms; `null` for none, absent to leave one as it is. */
export interface ChangedLimits {
  readonly softMs?: number | null;
  readonly hardMs?: number | null;
}

/** What a call brings, ms; `null` for none. */
interface OwnLimits {
  readonly soft?: number | null | undefined;
  readonly hard?: number | null | undefined;
}

export class TimeLimits {
  readonly #changed = new Map<string, ChangedLimits>();

  /** @param defaults of tasks that have none of their own */
  constructor(private readonly defaults: CallLimits | undefined) {}

  /**
   * From now on calls that bring no limits of their own get these.
   * @returns both as they are now
   * @throws {OptionError} when the soft one would be longer than the hard one
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

  /** Those of one call. */
  of(task: RegisteredTask, own: OwnLimits): CallLimits {
    const { softMs, hardMs } = this.#without(task, this.#changed.get(task.name));
    return { softMs: limitOf(own.soft, softMs), hardMs: limitOf(own.hard, hardMs) };
  }

  /** Those of a call that brings none. */
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
