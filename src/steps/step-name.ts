/** The name of a step, sleep or wait. */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Longest name, characters: it is stored with each task. */
const LONGEST = 500;

/** @throws {OptionError} for what is no name */
export function checkStepName(name: unknown, where: string): asserts name is string {
  if (typeof name === 'string' && name !== '' && name.length <= LONGEST) return;
  const got = typeof name === 'string' ? `${name.length} characters` : show(name);
  throw new OptionError(`${where}: the name must be a text of 1 to ${LONGEST} characters; got ${got}.`);
}
