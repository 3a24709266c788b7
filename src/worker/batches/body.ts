/**
 * The code of a batch: called once with a list, and what came of it for each entry. Must never throw: a fault of the code
 * is what some or all of the entries get.
 */
import { CeleriacError, isCeleriacError } from '../../errors.js';
import { show } from '../../show.js';
import { runInScope, type TaskContext } from '../../tasks/context.js';
import { isAsyncGenerator } from '../../tasks/generating.js';
import { entryPoint, type RegisteredTask } from '../../tasks/registry.js';
import { callCode } from '../run/invoke.js';
import type { Share } from './seat.js';

const NOTHING: Share = { value: undefined };

/** Runs the code with a list of one entry or more; gives as many shares. */
export async function runBody(
  task: RegisteredTask,
  context: TaskContext,
  items: readonly unknown[],
): Promise<readonly Share[]> {
  const awaiting = task.target.kind === 'method' ? entryPoint(task.target) : undefined;
  try {
    // The code may change its list.
    const value = await runInScope({ context, awaiting, entered: undefined }, () =>
      callCode(task, context, [[...items]]),
    );
    return sharesOf(task.name, value, items.length);
  } catch (error) {
    if (isCeleriacError(error, 'BATCH')) return sharesOfErrors(task.name, error, items.length);
    return items.map(() => ({ error }));
  }
}

function sharesOf(name: string, value: unknown, count: number): readonly Share[] {
  if (value === undefined) return Array.from({ length: count }, () => NOTHING);
  if (Array.isArray(value) && value.length === count) return value.map((each: unknown) => ({ value: each }));
  const what = Array.isArray(value)
    ? `a list of ${value.length}`
    : isAsyncGenerator(value)
      ? 'a generator'
      : show(value);
  return failed(
    `${name}: a batch of ${count} gave ${what}. Its code must return a list with one result for each call, in the same ` +
      'order, or nothing.',
    count,
  );
}

function sharesOfErrors(name: string, thrown: CeleriacError, count: number): readonly Share[] {
  const errors: unknown = Reflect.get(thrown, 'errors');
  if (!(errors instanceof Map)) return Array.from({ length: count }, () => ({ error: thrown }));
  const beyond = [...errors.keys()].find((position) => Number(position) >= count);
  if (beyond !== undefined)
    return failed(
      `${name}: its BatchError names position ${String(beyond)}, and the batch has ${count}: positions count from 0.`,
      count,
    );
  return Array.from({ length: count }, (_, i) => (errors.has(i) ? { error: errors.get(i) } : NOTHING));
}

/** All fail, and none is retried: the code is wrong. */
function failed(message: string, count: number): readonly Share[] {
  const error = new CeleriacError(message, { code: 'BATCH' });
  return Array.from({ length: count }, () => ({ error }));
}
