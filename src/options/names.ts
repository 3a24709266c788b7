/**
 * Names people write: refuses the ones nobody knows, and says which was probably meant. What is undefined counts as
 * absent everywhere; null means something for few options, and is refused for the others.
 */
import { distance } from 'fastest-levenshtein';
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** @throws {OptionError} for what is no object with options */
export function checkOptions(given: unknown, where: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw new OptionError(`${where}: options must be an object such as { name: value }, not ${show(given)}.`);
}

/**
 * Refuses unknown names in an options object, with the nearest known one, and null where it means nothing.
 * @param nullable the options that may be null
 * @throws {OptionError}
 */
export function checkNames(
  given: object,
  known: readonly string[],
  where: string,
  nullable: readonly string[] = NONE,
): void {
  checkOptions(given, where);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!known.includes(name)) throw unknownName(name, known, where);
    if (value === null && !nullable.includes(name))
      throw new OptionError(`${where}: ${name} must not be null. Leave it out for its default.`);
  }
}

const NONE: readonly string[] = Object.freeze([]);

/** The error for a name that no option has: the nearest one that there is, or all of them. */
export function unknownName(name: string, known: readonly string[], where: string): OptionError {
  const near = nearest(name, known);
  const hint = near === undefined ? `Known: ${known.join(', ')}.` : `Did you mean "${near}"?`;
  return new OptionError(`${where}: unknown option "${name}". ${hint}`);
}

/**
 * The known name closest to `name`, when one is close enough to be a slip: Celery's spelling, a beginning of the name,
 * or no more than a letter in three that is wrong.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const d = slipOf(name.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

/** How far a name is from the one that may be meant; infinite where it is none of its slips. */
function slipOf(written: string, meant: string): number {
  if (written === meant) return 0;
  // `default_retry_delay` is `defaultRetryDelay`.
  if (joined(written) === joined(meant)) return 0.5;
  if (written.length >= 3 && meant.startsWith(written)) return 1;
  if (sorted(written) === sorted(meant)) return 1;
  const d = distance(written, meant);
  const most = Math.max(1, Math.floor(Math.max(written.length, meant.length) / 3));
  return d <= most ? d : Number.POSITIVE_INFINITY;
}

/** The letters alone: two of them changed places. */
function sorted(name: string): string {
  return [...name].sort().join('');
}

function joined(name: string): string {
  return name.replaceAll(/[_-]/g, '');
}
