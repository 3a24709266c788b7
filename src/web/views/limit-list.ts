/** `GET limits`: the limits of tasks over the fleet, as declared and as changed at runtime. */
import type { LimitList, LimitView } from '../api.js';
import type { ApiCall } from '../web-context.js';
import type { TaskLimitsView } from '../worker-limits.js';
import { knownTasks } from './task-list.js';
import { limitsIn } from './worker-list.js';

/** The handler. */
export async function listLimits({ context }: ApiCall): Promise<LimitList> {
  const { parts } = context;
  const [registered, { conf }] = await Promise.all([context.registered.get(), context.fleet.get()]);
  const declared = parts.scheduling.registry.all();
  const names = knownTasks(
    declared.map(({ name }) => name),
    registered,
    context.watch.statistics,
  );
  const rates = await parts.rates.inForce(names);
  const own = declared.map(({ name, run }): [string, TaskLimitsView] => [
    name,
    {
      softTimeLimit: run.softTimeLimitMs ?? null,
      timeLimit: run.timeLimitMs ?? null,
      ...(run.concurrency !== undefined && { concurrency: run.concurrency.limit }),
    },
  ]);
  const onWorkers = Object.values(conf).map((reply) => limitsIn(reply).taskLimits ?? {});
  return { limits: limitViews(names, rates, new Map(own), onWorkers) };
}

/**
 * Pure.
 * @param rates by the places of `names`
 * @param declared here: counts for tasks of which no worker says anything
 * @param onWorkers what each worker says, by task
 */
export function limitViews(
  names: readonly string[],
  rates: readonly (string | undefined)[],
  declared: ReadonlyMap<string, TaskLimitsView>,
  onWorkers: readonly Readonly<Record<string, TaskLimitsView>>[],
): LimitView[] {
  const views = names.map((task, i): LimitView => {
    const said = onWorkers.flatMap((tasks) => (Object.hasOwn(tasks, task) ? (tasks[task] ?? []) : []));
    const all = said.length > 0 ? said : [declared.get(task) ?? {}];
    return {
      task,
      rate: rates[i] ?? null,
      concurrency: least(all.map(({ concurrency }) => concurrency)),
      timeLimit: least(all.map(({ timeLimit }) => timeLimit)),
      softTimeLimit: least(all.map(({ softTimeLimit }) => softTimeLimit)),
    };
  });
  return views.filter((view) => Object.values(view).some((value, i) => i > 0 && value !== null));
}

function least(values: readonly (number | null | undefined)[]): number | null {
  const some = values.filter((value) => typeof value === 'number');
  return some.length === 0 ? null : Math.min(...some);
}
