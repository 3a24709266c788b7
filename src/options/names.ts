/**
 * Checks names that users write: refuses unknown ones and suggests the one probably meant. Undefined counts as absent
 * everywhere; null is valid for few options, and refused for the others.
 */
import { distance } from 'fastest-levenshtein';
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** @throws {OptionError} for anything but an object */
export function checkOptions(given: unknown, where: string): asserts given is object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return;
  throw new OptionError(`${where}: options must be an object such as { name: value }, not ${show(given)}.`);
}

/**
 * Refuses unknown names in an options object, with the nearest known one, and null if it is not valid.
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

/** The error for an unknown name: suggests the nearest known one, or lists all. */
export function unknownName(name: string, known: readonly string[], where: string): OptionError {
  const near = nearest(name, known);
  const hint = near === undefined ? `Known: ${known.join(', ')}.` : `Did you mean "${near}"?`;
  return new OptionError(`${where}: unknown option "${name}". ${hint}`);
}

/**
 * The known name closest to `name`, if it is close enough to be a typing error: Celery's spelling, a prefix, or at most
 * one wrong letter in three.
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

/** The distance of a name from one that may be meant; infinite if it is no typing error of it. */
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

/** The letters in order, to recognize two that changed places. */
function sorted(name: string): string {
  return [...name].sort().join('');
}

function joined(name: string): string {
  return name.replaceAll(/[_-]/g, '');
}
