/**
 * The option `annotations` of an app: task options by the names of tasks, over the tasks' own (Celery:
 * `task_annotations`). Pure. All that match count; an option that several of them set is that of the first one, and in a
 * map an exact name comes before patterns.
 */
import { OptionError } from '../errors.js';
import { show } from '../show.js';
import { merge } from './merge.js';
import { exactFirst, matcherOf } from './name-patterns.js';
import { checkDeclared, type DeclaredQueues } from './queues.js';
import { bothTags } from './tags.js';
import { checkTaskOptions, type TaskOptions } from './task-options.js';

/** Options of all tasks of a name or pattern. What belongs to one task's code is not among them. */
export type TaskAnnotation = Omit<TaskOptions, 'args' | 'schedule'>;

/**
 * Task options by exact name or glob; in a `Map` or a list of pairs by regular expression too.
 * @example annotations: { 'mail.*': { rateLimit: '10/s' } }
 * @example annotations: [[/^img\./, { timeLimit: '1m' }]]
 */
export type Annotations =
  | Readonly<Record<string, TaskAnnotation>>
  | ReadonlyMap<string | RegExp, TaskAnnotation>
  | readonly (readonly [string | RegExp, TaskAnnotation])[];

/** Puts the annotations of a name over a task's own options. */
export type Annotate = (name: string, own: TaskOptions) => TaskOptions;

/**
 * @returns undefined for no annotations
 * @throws {OptionError} for an invalid pattern or option
 */
export function compileAnnotations(
  annotations: Annotations | undefined,
  where: string,
  queues?: DeclaredQueues,
): Annotate | undefined {
  if (annotations === undefined) return undefined;
  const compiled = pairsOf(annotations, where).map((pair) => readPair(pair, where, queues));
  if (compiled.length === 0) return undefined;
  return (name, own) => {
    const found = compiled.filter(({ matches }) => matches(name));
    return found.reduceRight((below, { options }) => over(below, options), own);
  };
}

/** Tags add up, as everywhere. */
function over(below: TaskOptions, options: TaskAnnotation): TaskOptions {
  return merge<TaskOptions>(below, options, bothTags(below.tags, options.tags));
}

function pairsOf(given: unknown, where: string): readonly unknown[] {
  if (Array.isArray(given)) return given as unknown[];
  if (typeof given === 'object' && given !== null) return exactFirst(given);
  throw new OptionError(
    `${where} must be a map of task names to task options, such as { 'mail.*': { rateLimit: '10/s' } }; got ${show(given)}.`,
  );
}

function readPair(pair: unknown, where: string, queues: DeclaredQueues) {
  const [pattern, given] = Array.isArray(pair) ? (pair as unknown[]) : [];
  if (!(typeof pattern === 'string' || pattern instanceof RegExp))
    throw new OptionError(`${where}: an annotation is [name or pattern, task options]; got ${show(pair)}.`);
  const options = given as TaskAnnotation;
  const here = `${where}: ${typeof pattern === 'string' ? `"${pattern}"` : String(pattern)}`;
  checkTaskOptions(options, here);
  for (const name of ['args', 'schedule'])
    if (Reflect.get(options, name) !== undefined)
      throw new OptionError(`${here}: ${name} belongs to one task. Give it there.`);
  if (options.queue !== undefined) checkDeclared(queues, options.queue, here);
  return { matches: matcherOf(pattern), options };
}
