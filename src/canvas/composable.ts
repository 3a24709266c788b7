/** How signatures and workflows are recognised, and the error for anything else in their place. */
import { OptionError } from '../errors.js';
import { show } from '../show.js';

/** Set on all of them, also by other copies of this package. */
const BRAND = Symbol.for('celeriac.composable');

/** Marks the instances of a class as parts of workflows. */
export function brand(cls: { readonly prototype: object }): void {
  Object.defineProperty(cls.prototype, BRAND, { value: true });
}

/**
 * The error for a value that is no signature or workflow of this copy.
 * @param what the position of the value: `chain(): part 2`
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
