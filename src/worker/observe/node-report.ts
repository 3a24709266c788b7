/** A node's report on itself: its settings, and the text for a bug report. Pure. */
import { VERSION } from '../../version.js';
import type { TaskLimits } from '../run/time-limits.js';
import type { WorkerDescription, WorkerSettings } from '../worker-options.js';

/** Who knows the limits of single tasks, by name. */
interface LimitedTasks {
  limitsOfTasks(): Record<string, TaskLimits>;
}

/**
 * A worker's answer to `inspect().conf()`: the settings of its app, and as `worker` how it is set up now.
 * @param tasks whose limits it says, where they have some
 */
export function nodeConf(
  app: Readonly<Record<string, unknown>>,
  settings: WorkerSettings,
  now: WorkerDescription,
  tasks: LimitedTasks,
): Record<string, unknown> {
  return { ...app, worker: workerConf(settings, now, tasks) };
}

function workerConf(
  settings: WorkerSettings,
  now: WorkerDescription,
  tasks: LimitedTasks,
): Record<string, unknown> {
  const { softMs, hardMs } = settings.limits;
  const taskLimits = tasks.limitsOfTasks();
  const weights = settings.queues.some(({ weight }) => weight !== 1)
    ? Object.fromEntries(settings.queues.map(({ name, weight }) => [name, weight]))
    : undefined;
  return {
    name: now.node,
    queues: Object.fromEntries(now.queues.map(({ name, concurrency }) => [name, concurrency])),
    concurrency: now.concurrency,
    ...(now.autoscale !== undefined && { autoscale: now.autoscale }),
    ...(weights !== undefined && { weights }),
    pool: now.pool,
    ...(softMs !== undefined && { softTimeLimit: softMs }),
    ...(hardMs !== undefined && { timeLimit: hardMs }),
    ...(Object.keys(taskLimits).length > 0 && { taskLimits }),
    shutdownTimeout: settings.shutdownTimeoutMs,
  };
}

/** Versions, platform, the node and its settings, a line each (Celery: `celery report`). */
export function reportText(now: WorkerDescription, conf: Record<string, unknown>): string {
  const lines = [
    `celeriac ${VERSION}, Node ${process.version.slice(1)}, ${process.platform} ${process.arch}`,
    `node ${now.node}, pid ${process.pid}, up ${Math.floor(process.uptime())} s`,
    `broker ${now.broker}`,
    `tasks ${[...now.tasks].sort().join(', ') || 'none'}`,
    'settings',
    ...Object.entries(conf).map(([name, value]) => `  ${name} ${JSON.stringify(value)}`),
  ];
  return lines.join('\n');
}
