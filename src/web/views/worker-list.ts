/** `GET workers`: the workers that answer, and those heard of lately. */
import { type ErrorReply, isErrorReply, type NodeStats, type TaskReport } from '../../control/commands.js';
import type { Run, WorkerList, WorkerView } from '../api.js';
import type { HeardWorker } from '../watch/worker-roll.js';
import type { ApiCall } from '../web-context.js';
import type { WorkerLimits } from '../worker-limits.js';
import type { FleetReplies } from './fleet-replies.js';

/** Tasks that are shown of a worker. */
const MOST_ACTIVE = 200;

/** The handler. */
export async function listWorkers({ context }: ApiCall): Promise<WorkerList> {
  const replies = await context.fleet.get();
  const now = context.parts.clock.now();
  const heard = context.watch.workers.all(now);
  return { workers: workerViews(replies, heard, now) };
}

/** Pure. */
export function workerViews(
  { stats, active, conf }: FleetReplies,
  heard: readonly HeardWorker[],
  now: number,
): WorkerView[] {
  const names = new Set([...Object.keys(stats), ...heard.map(({ node }) => node)]);
  return [...names].sort().map((node) =>
    viewOf({
      node,
      stats: stats[node],
      active: active[node],
      conf: conf[node],
      heard: heard.find((each) => each.node === node),
      now,
    }),
  );
}

interface Known {
  readonly node: string;
  readonly stats: NodeStats | ErrorReply | undefined;
  readonly active: TaskReport[] | ErrorReply | undefined;
  readonly conf: Record<string, unknown> | ErrorReply | undefined;
  readonly heard: HeardWorker | undefined;
  readonly now: number;
}

function viewOf({ node, stats, active, conf, heard, now }: Known): WorkerView {
  const said = stats === undefined || isErrorReply(stats) ? undefined : stats;
  const running = active === undefined || isErrorReply(active) ? [] : active;
  const error = stats !== undefined && isErrorReply(stats) ? stats.error : null;
  const processed = said && Object.values(said.processed).reduce((sum, n) => sum + n, 0);
  return {
    node,
    online: said !== undefined || heard?.online === true,
    pool: said?.pool ?? null,
    pid: said?.pid ?? heard?.pid ?? null,
    host: node.includes('@') ? node.slice(node.lastIndexOf('@') + 1) : null,
    version: said?.version ?? heard?.version ?? null,
    concurrency: said?.concurrency ?? heard?.concurrency ?? null,
    slots: said?.slots ?? null,
    autoscale: autoscaleIn(workerSettings(conf).autoscale),
    queues: said?.queues.map(({ name }) => name) ?? heard?.queues ?? [],
    cpu: said?.cpu ?? null,
    memory: said?.memory ?? null,
    uptime: said?.uptimeMs ?? null,
    processed: processed ?? heard?.processed ?? null,
    failed: null,
    active: running.slice(0, MOST_ACTIVE).map((report) => runOfReport(report, node, now)),
    limits: limitsIn(conf),
    error,
  };
}

/** A running task as its worker reports it. */
export function runOfReport(report: TaskReport, node: string, now: number): Run {
  const { id, name, args, queue, retries, deliveries, tags = [], startedAt = null } = report;
  return {
    id,
    name,
    state: 'STARTED',
    queue,
    tags,
    args: args.map((arg) => JSON.stringify(arg)).join(', '),
    worker: node,
    attempt: retries,
    retries,
    deliveries,
    priority: null,
    parentId: null,
    rootId: id,
    workflowId: null,
    sentAt: null,
    startedAt,
    doneAt: null,
    eta: null,
    runtime: startedAt === null ? null : Math.max(0, now - Date.parse(startedAt)),
    wait: null,
    error: null,
    meta: null,
  };
}

function autoscaleIn(value: unknown): WorkerView['autoscale'] {
  if (typeof value !== 'object' || value === null) return null;
  const { min, max } = value as { min?: unknown; max?: unknown };
  return typeof min === 'number' && typeof max === 'number' ? { min, max } : null;
}

/** A worker's own part of what it answers to `conf`. */
function workerSettings(conf: Known['conf']): Record<string, unknown> {
  const own = conf === undefined || isErrorReply(conf) ? undefined : conf.worker;
  return typeof own === 'object' && own !== null ? { ...own } : {};
}

/** Its limits among what a worker answers to `conf`. */
export function limitsIn(conf: Known['conf']): WorkerLimits {
  const { softTimeLimit, timeLimit, taskLimits } = workerSettings(conf) as WorkerLimits;
  return {
    ...(softTimeLimit !== undefined && { softTimeLimit }),
    ...(timeLimit !== undefined && { timeLimit }),
    ...(taskLimits !== undefined && { taskLimits }),
  };
}
