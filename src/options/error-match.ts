/**
 * Matches errors for `autoretryFor`, `dontAutoretryFor` and `throws`. Also reads the first delay of a backoff.
 */
import { toPositiveMs } from '../duration.js';
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { type ErrorClass, errorClasses, isClass, isErrorClass } from './checks.js';

/** All errors, those of one class or several, or those that a predicate accepts. */
export type ErrorMatch = true | ErrorClass | readonly ErrorClass[] | ((error: unknown) => boolean);

/** Ms of the first delay; `true` is one second. */
export function backoffStart(value: unknown, where: string): number | undefined {
  if (value === false) return undefined;
  return value === true ? 1000 : toPositiveMs(value, where);
}

/** The classes named by a match; empty for `true` and predicates. */
export function classesIn(named: ErrorMatch | undefined): readonly ErrorClass[] {
  if (isErrorClass(named)) return [named];
  return Array.isArray(named) ? (named as readonly ErrorClass[]) : [];
}

/**
 * A function that tests whether an error matches.
 * @throws {OptionError} for an invalid match
 */
export function errorMatcher(match: unknown, where: string): (error: unknown) => boolean {
  if (match === true) return () => true;
  if (Array.isArray(match) || isErrorClass(match)) {
    const classes = errorClasses(match, where);
    return (error) => classes.some((cls) => error instanceof cls);
  }
  if (typeof match === 'function') return predicate(match as (error: unknown) => unknown, where);
  throw new OptionError(
    `${where} must be true, a class that extends Error, a list of such, or a function that answers at once; ` +
      `got ${show(match)}.`,
  );
}

/**
 * A promise would always count as true, so async predicates are refused: here if they are recognizable, else at the
 * call.
 */
function predicate(decide: (error: unknown) => unknown, where: string): (error: unknown) => boolean {
  if (isClass(decide)) throw new OptionError(`${where}: ${show(decide)} does not extend Error.`);
  if (Object.prototype.toString.call(decide) === '[object AsyncFunction]')
    throw new OptionError(`${where}: ${show(decide)} is async. Give a function that answers at once.`);
  return (error) => {
    const answer = decide(error);
    if (isThenable(answer))
      throw new OptionError(
        `${where}: ${show(decide)} gave a promise. Give a function that answers at once.`,
      );
    return Boolean(answer);
  };
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
