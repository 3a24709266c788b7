/**
 * What signatures and workflows are known by, and what is said of something else in their place.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** On all of them, in whichever copy of this package. */
const BRAND = Symbol.for('celeriac.composable');

/** Makes instances of a class known as parts of workflows. */
export function brand(cls: { readonly prototype: object }): void {
  Object.defineProperty(cls.prototype, BRAND, { value: true });
}

/**
 * The error for what is no signature or workflow of this copy.
 * @param what where it stands: `chain(): part 2`
 */
export function notComposable(what: string, node: unknown): OptionError {
  if (isBranded(node))
    return new OptionError(
      `${what} was made by another copy of celeriac in this process, so this one cannot send it. Let both use one copy: ` +
        '`npm ls celeriac` shows where they come from.',
    );
  return new OptionError(
    `${what} is ${show(node)}, not a signature. Make one with task.s(…), or compose them with chain, group and chord.`,
  );
}

function isBranded(node: unknown): boolean {
  return typeof node === 'object' && node !== null && Reflect.get(node, BRAND) === true;
}
