/**
 * What people see of the arguments of a task that hides them (`sensitive`, `argsRepr`). The caller decides it and writes
 * it into the message, so that readers without the task's code hide them too. It must never give a hidden argument away:
 * where it is unsure, it shows nothing.
 */
import type { ArgsRepr } from '../options/args-repr.js';
import type { Message } from '../protocol/message.js';
import { plainValue } from '../protocol/plain-value.js';

/** Shown where arguments are hidden and nothing else is said. */
export const HIDDEN = '[hidden]';

const NOTHING_SHOWN: readonly unknown[] = Object.freeze([HIDDEN]);

/** Longest text of one shown value, of all of them as JSON, and the most values: they travel in every message. */
const LONGEST_VALUE = 400;
const LONGEST_SHOWN = 1_500;
const MOST_SHOWN = 20;

/** The part of a task that says what is shown. */
export interface Hiding {
  readonly publish: { readonly sensitive?: boolean | undefined };
  readonly argsRepr?: ArgsRepr | undefined;
  /** Its arguments are a list of argument lists. */
  readonly each?: true;
}

/** Whether a task hides its arguments. */
export function hides({ publish, argsRepr }: Hiding): boolean {
  return publish.sensitive === true || argsRepr !== undefined;
}

/**
 * The field of the message.
 * @param args all that the task gets; undefined while some are missing, so that none is shown in the place of another
 * @param sensitive what the call says over its task
 * @returns undefined when the arguments may be seen
 */
export function shownField(
  hiding: Hiding,
  args: readonly unknown[] | undefined,
  sensitive: boolean | undefined,
): Message['shown'] {
  const { argsRepr, each } = hiding;
  if (argsRepr === undefined) return (sensitive ?? hiding.publish.sensitive) === true ? true : undefined;
  if (args === undefined) return true;
  if (each !== true) return bounded(represented(argsRepr, args));
  const lists = args.slice(0, MOST_SHOWN).map((list) => represented(argsRepr, list as readonly unknown[]));
  return bounded(lists.map((list) => list ?? HIDDEN));
}

/**
 * What is shown instead of the arguments of a stored message.
 * @param task the task, where its code is here: it hides also what a caller without the code has sent
 * @returns undefined when the arguments may be seen
 */
export function shownInstead(
  { shown }: { readonly shown?: Message['shown'] | undefined },
  task?: Hiding | undefined,
): readonly unknown[] | undefined {
  if (shown !== undefined && shown !== true) return shown;
  return shown === true || (task !== undefined && hides(task)) ? NOTHING_SHOWN : undefined;
}

/** {@link shownInstead} where all arguments are at hand, as in the worker that runs the task. */
export function shownOfRunning(
  message: Pick<Message, 'shown' | 'each'>,
  task: Hiding | undefined,
  args: readonly unknown[],
): readonly unknown[] | undefined {
  const instead = shownInstead(message, task);
  if (instead !== NOTHING_SHOWN || task?.argsRepr === undefined) return instead;
  const { publish, argsRepr } = task;
  const hiding: Hiding = { publish, argsRepr, ...(message.each === true && { each: true as const }) };
  return shownInstead({ shown: shownField(hiding, args, undefined) });
}

/** @returns undefined where nothing can be shown */
function represented(argsRepr: ArgsRepr, args: readonly unknown[]): readonly unknown[] | undefined {
  try {
    const given: unknown = Reflect.apply(argsRepr, undefined, [...args]);
    if (given instanceof Promise) {
      given.catch(() => undefined); // it came too late to say anything
      return undefined;
    }
    const list: readonly unknown[] = Array.isArray(given) ? given.slice(0, MOST_SHOWN) : [given];
    return list.map(shownValue);
  } catch {
    return undefined; // the user's own function: what it could not show stays hidden
  }
}

/** A value as JSON has it, cut where it is long. */
function shownValue(value: unknown): unknown {
  const text = typeof value === 'string' ? value : JSON.stringify(value, plainValue);
  if (text.length > LONGEST_VALUE) return `${text.slice(0, LONGEST_VALUE - 1).toWellFormed()}…`;
  return typeof value === 'string' ? value : (JSON.parse(text) as unknown);
}

function bounded(values: readonly unknown[] | undefined): true | readonly unknown[] {
  if (values === undefined) return true;
  let left = LONGEST_SHOWN;
  const kept = values.findIndex((value) => {
    left -= JSON.stringify(value).length;
    return left < 0;
  });
  return kept < 0 ? values : [...values.slice(0, kept), '…'];
}
