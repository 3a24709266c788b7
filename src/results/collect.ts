/**
 * Walks from a result down the tasks and groups that begin after it, and waits for the value of each (Celery:
 * `collect`). Each one comes once, nearest first.
 */
import { toPositiveMs } from '../duration.js';
import type { GroupedResult, TaskResult } from './relations.js';

/** The options of `get()`. */
type GetOptions = NonNullable<Parameters<TaskResult['get']>[0]>;

/** A result of the walk, and its value: a list for a group, the error with `propagate: false`. */
export type Collected = readonly [result: TaskResult | GroupedResult, value: unknown];

/** @param options as for `get()`; `timeout` is that of the whole walk */
export async function* collect(
  root: TaskResult | GroupedResult,
  options: GetOptions,
): AsyncGenerator<Collected, void, void> {
  const seen = new Set([root.id]);
  const next: (TaskResult | GroupedResult)[] = [root];
  const left = remaining(options);
  for (const result of next) {
    yield [result, await result.get(left())];
    for (const below of await belowOf(result)) {
      if (seen.has(below.id)) continue;
      seen.add(below.id);
      next.push(below);
    }
  }
}

function belowOf(
  result: TaskResult | GroupedResult,
): Iterable<TaskResult | GroupedResult> | Promise<Iterable<TaskResult | GroupedResult>> {
  return 'results' in result ? result.results : result.children;
}

/** The options of each wait, so that all of them together keep to the timeout. */
function remaining(options: GetOptions): () => GetOptions {
  if (options.timeout === undefined) return () => options;
  const endsAt = performance.now() + toPositiveMs(options.timeout, 'collect(): timeout');
  return () => ({ ...options, timeout: Math.max(0, endsAt - performance.now()) });
}
