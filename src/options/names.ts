/**
 * Names people write: refuses the ones nobody knows, and says which was probably meant.
 */
import { distance } from 'fastest-levenshtein';
import { OptionError } from '../errors.js';
import { show } from './checks.js';

/** @throws {OptionError} for what is no object with options */
export function checkOptions(given: unknown, where: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw new OptionError(`${where}: options must be an object such as { name: value }, not ${show(given)}.`);
}

/**
 * Refuses unknown names in an options object, with the nearest known one.
 * @throws {OptionError}
 */
export function checkNames(given: object, known: readonly string[], where: string): void {
  checkOptions(given, where);
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    const hint = near === undefined ? `Known: ${known.join(', ')}.` : `Did you mean "${near}"?`;
    throw new OptionError(`${where}: unknown option "${name}". ${hint}`);
  }
}

/** The known name closest to `name`, when one is close enough to be a slip. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3) + 1) + 1;
  for (const candidate of known) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}
