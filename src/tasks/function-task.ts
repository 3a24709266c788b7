/**
 * What `app.task(name, options?, function)` was given.
 */
import { OptionError } from '../errors.js';
import { checkTaskName, isClass } from '../options/checks.js';
import { checkTaskOptions, type TaskOptions } from '../options/task-options.js';
import { show } from '../show.js';
import type { FunctionTarget } from './registry.js';

/** @throws {OptionError} for a name, options or a function that cannot be right */
export function readFunctionTask(
  name: unknown,
  second: unknown,
  third: unknown,
): { readonly options: TaskOptions; readonly fn: FunctionTarget['fn'] } {
  checkTaskName(name, 'app.task(name, options?, function)');
  const where = `app.task('${name}')`;
  const [options, fn] =
    typeof second === 'function' ? [{}, second] : [second === undefined ? {} : second, third];
  if (typeof fn !== 'function' || isClass(fn))
    throw new OptionError(
      `${where}: the function is missing; got ${show(fn)}. Write app.task('${name}', options?, async () => …).`,
    );
  checkTaskOptions(options as TaskOptions, where);
  return { options: options as TaskOptions, fn: fn as FunctionTarget['fn'] };
}
