/** Checks the options of waits at the call: a wrong option is an OptionError, not a TypeError later. */
import { OptionError } from '../errors.js';
import { boolean, func } from '../options/checks.js';
import { checkNames } from '../options/names.js';
import { show } from '../show.js';

const GET_OPTIONS: readonly string[] = ['timeout', 'signal', 'propagate', 'onUpdate', 'allowJoin'];

/** @throws {OptionError} for an invalid option of `get()`; the timeout is checked where it is used */
export function checkGetOptions(options: object): void {
  checkNames(options, GET_OPTIONS, 'get()');
  const { signal, propagate, onUpdate, allowJoin } = options as Readonly<Record<string, unknown>>;
  checkSignal(signal, 'get()');
  boolean(propagate, true, 'get(): propagate');
  func(onUpdate, 'get(): onUpdate');
  boolean(allowJoin, false, 'get(): allowJoin');
}

/** @throws {OptionError} for an invalid option of a loop such as `updates()` */
export function checkFollowOptions(options: object, where: string): void {
  checkNames(options, ['signal'], where);
  checkSignal((options as { readonly signal?: unknown }).signal, where);
}

function checkSignal(signal: unknown, where: string): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new OptionError(`${where}: signal must be an AbortSignal; got ${show(signal)}.`);
}
