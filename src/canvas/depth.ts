/**
 * How deep signatures and workflows are nested. Reading, writing and planning them goes down level by level, so there is an
 * end to it, which is told where one more level is put around.
 */
import { OptionError } from '../errors.js';

/** Deeper ones may not fit on a stack of Node's. */
export const MOST_LEVELS = 1_000;

/** Of those that have something within. */
const depths = new WeakMap<object, number>();

/**
 * Notes how deep a signature or workflow is.
 * @param within its parts and callbacks
 * @throws {OptionError} it is too deep
 */
export function noteDepth(node: object, ...within: (readonly object[])[]): void {
  let depth = 1;
  for (const parts of within) for (const part of parts) depth = Math.max(depth, 1 + (depths.get(part) ?? 1));
  refuseDeep(depth);
  depths.set(node, depth);
}

/** @throws {OptionError} so many levels are too many */
export function refuseDeep(depth: number): void {
  if (depth > MOST_LEVELS)
    throw new OptionError(
      `signatures and workflows are nested more than ${MOST_LEVELS} deep. Put steps beside each other in one chain(…), or ` +
        'let a task add what comes next with this.replace(…).',
    );
}
