/** `GET limits`: the limits of tasks over the fleet, as declared here and as changed at runtime. */
import type { LimitList, LimitView } from '../api.js';
import type { ApiCall } from '../web-context.js';

/** The handler. */
export async function listLimits({ context }: ApiCall): Promise<LimitList> {
  const { parts } = context;
  const registered = parts.scheduling.registry.all();
  const names = [
    ...new Set([...registered.map(({ name }) => name), ...(context.watch.statistics?.taskNames() ?? [])]),
  ];
  const rates = await parts.rates.inForce(names);
  const limits = names.map((task, i): LimitView => {
    const run = registered.find(({ name }) => name === task)?.run;
    return {
      task,
      rate: rates[i] ?? null,
      concurrency: run?.concurrency?.limit ?? null,
      timeLimit: run?.timeLimitMs ?? null,
      softTimeLimit: run?.softTimeLimitMs ?? null,
    };
  });
  const limited = limits.filter((view) => Object.values(view).some((value, i) => i > 0 && value !== null));
  return { limits: limited.sort((a, b) => (a.task < b.task ? -1 : 1)) };
}
