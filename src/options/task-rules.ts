/** What an app says about the options of all its tasks: applied to each where it is registered or named. */
import type { Annotate } from './annotations.js';
import type { DeclaredQueues } from './queues.js';
import type { TaskOptions } from './task-options.js';

export interface TaskRules {
  /** Below the tasks' own options. Default: none. */
  readonly defaults?: TaskOptions;
  /** Over the tasks' own options. Default: nothing. */
  readonly annotate?: Annotate | undefined;
  /** The queues that tasks may name. Default: any. */
  readonly queues?: DeclaredQueues;
}

/** A task's own options, with those that the app annotates. */
export function annotated(rules: TaskRules, name: string, own: TaskOptions): TaskOptions {
  return rules.annotate === undefined ? own : rules.annotate(name, own);
}
