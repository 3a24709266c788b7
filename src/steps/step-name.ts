/** The name of a step, sleep or wait. */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Longest name, characters: it is stored with each task. */
const LONGEST = 500;

/** @throws {OptionError} for what is no name */
export function checkStepName(name: unknown, where: string): asserts name is string {
  const text = typeof name === 'string';
  if (text && name !== '' && name.length <= LONGEST && name.isWellFormed()) return;
  const got = !text
    ? show(name)
    : name.isWellFormed()
      ? `${name.length} characters`
      : 'a lone surrogate in it';
  throw new OptionError(`${where}: the name must be a text of 1 to ${LONGEST} characters; got ${got}.`);
}
