/**
 * What the options of a workflow mean for its parts. Pure. A part's own options win over those around it; headers and
 * tags are merged. Options that make sense for only one task go to that task.
 */
import { CeleriacError } from '../../errors.js';
import type { CallOptions } from '../../options/call-options.js';
import { merge } from '../../options/merge.js';
import { bothTags } from '../../options/tags.js';

/** Options from around a part, by their recipients. */
export interface Passed {
  /** For the tasks that begin first. */
  readonly first: CallOptions;
  /** For every task. */
  readonly all: CallOptions;
  /** For the task whose end is the end of the whole. */
  readonly last: CallOptions;
}

/** No options from around. */
export const NOTHING_PASSED: Passed = Object.freeze({ first: {}, all: {}, last: {} });

/** The options that a workflow passes to its parts: its own over those around it. */
export function passedBy(own: CallOptions, around: Passed): Passed {
  const { countdown, eta, queue, taskId, ignoreResult, link: _, linkError: __, ...all } = own;
  return {
    first: over(around.first, { countdown, eta, queue }),
    last: over(around.last, { taskId, ignoreResult }),
    all: over(around.all, all),
  };
}

/** The options of a task: its own over those around it. */
export function optionsOfTask(own: CallOptions, { first, all, last }: Passed): CallOptions {
  return over({ ...all, ...first, ...last }, own);
}

/** The options passed to a step of a chain. */
export function passedToStep({ first, all, last }: Passed, at: { first: boolean; last: boolean }): Passed {
  return { first: at.first ? first : {}, all, last: at.last ? last : {} };
}

/** The options passed to a member of a group: every member is first and last. */
export function passedToMembers({ first, all, last: { taskId, ...last } }: Passed): Passed {
  if (taskId === undefined) return { first, all, last };
  throw new CeleriacError(
    `taskId "${taskId}" is given to a group, which is no single task. Set it on a member, or leave it out: the group's ` +
      'own id is in its result.',
  );
}

type Layer = { readonly [K in keyof CallOptions]: CallOptions[K] | undefined };

function over(lower: Layer, upper: Layer): CallOptions {
  const { countdown, eta, ...rest } = lower;
  // Only one due moment can count: that of the inner part.
  const timed = upper.countdown !== undefined || upper.eta !== undefined;
  const both = isBag(lower.headers) && isBag(upper.headers);
  const headers = both ? { headers: { ...lower.headers, ...upper.headers } } : undefined;
  return merge<Layer>(timed ? rest : lower, upper, headers, bothTags(lower.tags, upper.tags)) as CallOptions;
}

function isBag(headers: unknown): boolean {
  return typeof headers === 'object' && headers !== null && !Array.isArray(headers);
}
