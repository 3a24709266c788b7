/**
 * A reference to a task that is called without its code: its name, and options that the caller provides.
 */
import { OptionError } from '../errors.js';
import { checkTaskName } from '../options/checks.js';
import { present } from '../options/merge.js';
import { checkDeclared } from '../options/queues.js';
import {
  checkTaskOptions,
  needsLane,
  resolvePublishPolicy,
  resolveRunPolicy,
  type TaskOptions,
} from '../options/task-options.js';
import { annotated, type TaskRules } from '../options/task-rules.js';
import type { ErrorClasses } from '../protocol/error-classes.js';
import { show } from '../show.js';
import { compileArguments } from './arguments.js';
import type { CallTarget } from './registry.js';
import { hides } from './shown-arguments.js';

/** Names a task for the type-only client: its name, or its name with options for the caller. */
export type TaskReference = string | ({ name: string } & TaskOptions);

/**
 * The task as its callers see it.
 * @param errors learns the error classes that the options name
 * @throws {OptionError} for an invalid name or option
 */
export function targetOf(reference: TaskReference, rules: TaskRules, errors?: ErrorClasses): CallTarget {
  const given: unknown = typeof reference === 'string' ? { name: reference } : reference;
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`a task to call must be its name or { name, …options }, not ${show(given)}.`);
  const { name, ...own } = given as { name: string } & TaskOptions;
  checkTaskName(name, 'a task to call');
  const where = `task "${name}"`;
  checkTaskOptions(own, where);
  const { defaults = {}, queues } = rules;
  const options = annotated(rules, name, own);
  const run = resolveRunPolicy(options, defaults, where);
  const publish = resolvePublishPolicy(options, defaults, where);
  if (publish.queue !== undefined) checkDeclared(queues, publish.queue, where);
  errors?.registerFor(name, run.namedErrors);
  const argsRepr = options.argsRepr ?? defaults.argsRepr;
  const discreet = hides({ publish, argsRepr });
  return {
    name,
    publish,
    ...(argsRepr !== undefined && { argsRepr }),
    own: new Set(Object.keys(present(options))),
    lane: needsLane(run),
    ...(run.batch !== undefined && { batch: true as const }),
    checker: compileArguments(options.args ?? [], {
      taskName: name,
      explicit: options.args !== undefined,
      discreet,
    }),
  };
}
