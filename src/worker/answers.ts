/**
 * A worker's answers to remote control: one function per command, over the few handles a worker lends.
 */
import type { Slots } from '../broker/slots.js';
import type { CommandHandlers, QueueReport, TaskReport } from '../control/commands.js';
import { CeleriacError, TaskRevokedError } from '../errors.js';
import { VERSION } from '../version.js';
import type { Executor } from './execute.js';
import type { RunningCall } from './running-call.js';
import type { TaskLog } from './task-log.js';

/** What a worker lets remote control do. */
export interface Steering {
  readonly executor: Executor;
  readonly pool: string;
  readonly budget: Slots;
  readonly log: TaskLog;
  readonly startedAt: number;
  registered(): string[];
  queues(): QueueReport[];
  addConsumer(queue: string, concurrency: number | undefined): Promise<void>;
  /** `false` when the queue was not consumed. */
  cancelConsumer(queue: string): boolean;
  /** A task's rate was changed. `false` when the task is not known here. */
  rateLimit(task: string): Promise<boolean>;
  shutdown(): void;
}

export function answers(worker: Steering): CommandHandlers {
  return {
    ping: () => 'pong',
    active: () => [...worker.executor.running.values()].map(report),
    registered: () => worker.registered(),
    stats: () => ({
      pid: process.pid,
      uptimeMs: Date.now() - worker.startedAt,
      pool: worker.pool,
      concurrency: worker.budget.limit,
      running: worker.executor.running.size,
      processed: worker.log.processed(),
      queues: worker.queues(),
      version: VERSION,
    }),
    activeQueues: () => worker.queues(),
    poolGrow: ({ n }) => {
      worker.budget.resize(worker.budget.limit + n);
      return { ok: `concurrency is ${worker.budget.limit} now` };
    },
    poolShrink: ({ n }) => {
      if (worker.budget.limit - n < 0)
        throw new CeleriacError(`the pool has only ${worker.budget.limit} slots`);
      worker.budget.resize(worker.budget.limit - n);
      return { ok: `concurrency is ${worker.budget.limit} now` };
    },
    addConsumer: async ({ queue, concurrency }) => {
      await worker.addConsumer(queue, concurrency);
      const slots = concurrency === undefined ? 'the shared budget' : `${concurrency} slots of its own`;
      return { ok: `consuming "${queue}" with ${slots}` };
    },
    cancelConsumer: ({ queue }) => {
      if (!worker.cancelConsumer(queue)) throw new CeleriacError(`queue "${queue}" is not consumed here`);
      return { ok: `no longer consuming "${queue}"` };
    },
    rateLimit: async ({ task }) => {
      if (!(await worker.rateLimit(task))) throw new CeleriacError(`task "${task}" is not registered here`);
      return { ok: `the rate of ${task} is as set` };
    },
    revoke: ({ jobIds, reason }) => {
      const ended = jobIds.filter((jobId) => {
        const call = worker.executor.running.get(jobId);
        if (call === undefined) return false;
        const { taskId, name: taskName } = call.delivery;
        call.end({ kind: 'revoked', reason }, new TaskRevokedError({ taskId, taskName, reason }));
        return true;
      });
      return { ok: `ended ${ended.length} running tasks` };
    },
    revoked: () => worker.log.revoked(),
    shutdown: () => {
      worker.shutdown();
      return { ok: 'shutting down' };
    },
  };
}

function report(call: RunningCall): TaskReport {
  const { request, startedAt } = call;
  return {
    id: request.id,
    name: request.name,
    args: request.args,
    queue: request.queue,
    retries: request.retries,
    deliveries: request.deliveries,
    startedAt: new Date(startedAt).toISOString(),
    pid: process.pid,
  };
}
