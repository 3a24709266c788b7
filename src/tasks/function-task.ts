/**
 * Reads the arguments of `app.task(name, options?, function)`.
 */
import { OptionError } from '../errors.js';
import { checkTaskName, isClass } from '../options/checks.js';
import { checkTaskOptions, type TaskOptions } from '../options/task-options.js';
import { show } from '../show.js';
import type { FunctionTarget } from './registry.js';

/** @throws {OptionError} for an invalid name, options or function */
export function readFunctionTask(
  name: unknown,
  second: unknown,
  third: unknown,
): { readonly options: TaskOptions; readonly fn: FunctionTarget['fn'] } {
  const shape = 'app.task(name, options?, function)';
  if (typeof name === 'function')
    throw new OptionError(
      `${shape}: the name is missing. It comes first, as in app.task('${name.name || 'my_task'}', async () => …).`,
    );
  checkTaskName(name, shape);
  const where = `app.task('${name}')`;
  if (typeof second === 'function' && third !== undefined)
    throw new OptionError(
      `${where}: ${show(third)} stands after the function. Options stand before it: app.task('${name}', options, async () => …).`,
    );
  const [options, fn] =
    typeof second === 'function' ? [{}, second] : [second === undefined ? {} : second, third];
  if (typeof fn !== 'function' || isClass(fn))
    throw new OptionError(
      `${where}: the function is missing; got ${show(fn)}. Write app.task('${name}', options?, async () => …).`,
    );
  checkTaskOptions(options as TaskOptions, where);
  return { options: options as TaskOptions, fn: fn as FunctionTarget['fn'] };
}
