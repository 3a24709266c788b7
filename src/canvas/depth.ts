/**
 * The nesting depth of signatures and workflows. Reading, writing and planning them recurses level by level, so the
 * depth is limited; the error is thrown where the level too many is added.
 */
import { OptionError } from '../errors.js';

/** A deeper nesting may overflow Node's stack. */
export const MOST_LEVELS = 1_000;

/** Depths of those that contain others. */
const depths = new WeakMap<object, number>();

/**
 * Notes the depth of a signature or workflow.
 * @param within its parts and callbacks
 * @throws {OptionError} when it is nested too deep
 */
export function noteDepth(node: object, ...within: (readonly object[])[]): void {
  let depth = 1;
  for (const parts of within) for (const part of parts) depth = Math.max(depth, 1 + (depths.get(part) ?? 1));
  refuseDeep(depth);
  depths.set(node, depth);
}

/** @throws {OptionError} for too many levels */
export function refuseDeep(depth: number): void {
  if (depth > MOST_LEVELS)
    throw new OptionError(
      `signatures and workflows are nested more than ${MOST_LEVELS} deep. Put steps beside each other in one chain(…), or ` +
        'let a task add what comes next with this.replace(…).',
    );
}
