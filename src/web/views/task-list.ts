/** `GET tasks`: the tasks by name, that workers have, that this process declares, or that were seen. */
import { isErrorReply, type Replies } from '../../control/commands.js';
import { readable } from '../../options/readable.js';
import type { TaskList, TaskSummary } from '../api.js';
import type { Statistics } from '../watch/statistics.js';
import type { ApiCall } from '../web-context.js';
import type { DeclaredTask } from './fleet-replies.js';

/** The handler. */
export async function listTasks({ context }: ApiCall): Promise<TaskList> {
  const registered = await context.registered.get();
  const declared = context.declared().filter(({ name }) => !isBuiltIn(name));
  return { tasks: taskSummaries(declared, registered, context.watch.statistics) };
}

/** Pure. */
export function taskSummaries(
  declared: readonly DeclaredTask[],
  registered: Replies<string[]>,
  statistics: Statistics | undefined,
): TaskSummary[] {
  const nodes = new Map<string, string[]>();
  for (const [node, names] of Object.entries(registered))
    if (!isErrorReply(names)) for (const name of names) nodes.set(name, [...(nodes.get(name) ?? []), node]);
  const own = new Map(declared.map((task) => [task.name, task]));
  return knownTasks([...own.keys()], registered, statistics).map((name) => {
    const figures = statistics?.task(name);
    const task = own.get(name);
    const queues = new Set([...(task?.queue === undefined ? [] : [task.queue]), ...(figures?.queues ?? [])]);
    return {
      name,
      queues: [...queues].sort(),
      nodes: (nodes.get(name) ?? []).sort(),
      counts: figures?.counts ?? {},
      p50: figures?.p50 ?? null,
      p95: figures?.p95 ?? null,
      failureRate: figures?.failureRate ?? null,
      lastError: figures?.lastError ?? null,
      schema: task?.schema ?? null,
      options: task === undefined ? null : (readable(task.options) as Record<string, unknown>),
    };
  });
}

/** The names of the tasks that are declared here, that workers have, or that were seen; sorted. Pure. */
export function knownTasks(
  declared: readonly string[],
  registered: Replies<string[]>,
  statistics: Pick<Statistics, 'taskNames'> | undefined,
): string[] {
  const onWorkers = Object.values(registered).flatMap((names) => (isErrorReply(names) ? [] : names));
  const names = new Set([...declared, ...onWorkers, ...(statistics?.taskNames() ?? [])]);
  return [...names].filter((name) => !isBuiltIn(name)).sort();
}

/** Tasks that celeriac has for itself. */
function isBuiltIn(name: string): boolean {
  return name.startsWith('celeriac.');
}
