/** A worker's handlers of remote-control commands: one function per command, over the few handles a worker lends. */

import type { CommandHandlers, QueueReport, SlotCounts } from '../../control/commands.js';
import { durationText } from '../../duration.js';
import { CeleriacError, TaskRevokedError } from '../../errors.js';
import type { Logger, LogLevel } from '../../options/logger.js';
import type { Delivery } from '../../queue/delivery.js';
import type { Slots } from '../../queue/slots.js';
import { VERSION } from '../../version.js';
import type { BatchCollector } from '../batches/collector.js';
import type { Autoscale } from '../queues/autoscale.js';
import type { Executor } from '../run/execute.js';
import { logCommands } from './command-log.js';
import type { Inspection } from './inspection.js';
import { ProcessUsage } from './process-usage.js';
import type { TaskLog } from './task-log.js';

/** What a worker lets remote control do. */
export interface Steering {
  readonly executor: Executor;
  readonly pool: string;
  readonly batches: Pick<BatchCollector, 'withdraw'>;
  readonly budget: Slots;
  readonly autoscale: Autoscale;
  readonly log: TaskLog;
  readonly reports: Inspection;
  /** Time since the worker started, ms. */
  uptimeMs(): number;
  registered(): string[];
  queues(): QueueReport[];
  slots(): SlotCounts;
  conf(): Record<string, unknown>;
  report(): string;
  addConsumer(queue: string, concurrency: number | undefined): Promise<void>;
  /** `false` when the queue was not consumed. */
  cancelConsumer(queue: string): boolean;
  /** Applies a changed rate limit. `false` when the task is not registered here. */
  rateLimit(task: string): Promise<boolean>;
  /** Drops a task's record once the task has ended. */
  forget(delivery: Delivery): void;
  setLogLevel(level: LogLevel): void;
  shutdown(): void;
  /** Runs a command of the app's own; its reply is encoded. */
  runOwn(name: string, args: unknown): Promise<unknown>;
}

/**
 * One function for each command.
 * @param logger where changes are logged; undefined in a process of a pool, whose supervisor logs for all
 */
export function controlHandlers(worker: Steering, logger: Logger | undefined): CommandHandlers {
  const handlers = { ...readings(worker), ...changes(worker) };
  return logger === undefined ? handlers : logCommands(handlers, logger);
}

type Reading =
  | 'ping'
  | 'active'
  | 'scheduled'
  | 'reserved'
  | 'revoked'
  | 'registered'
  | 'stats'
  | 'activeQueues'
  | 'conf'
  | 'report'
  | 'queryTask';

function readings(worker: Steering): Pick<CommandHandlers, Reading> {
  const { reports } = worker;
  const usage = new ProcessUsage();
  return {
    ping: () => 'pong',
    active: () => reports.active(),
    scheduled: () => reports.scheduled(),
    reserved: () => reports.reserved(),
    revoked: () => worker.log.revoked(),
    registered: () => worker.registered(),
    stats: () => ({
      pid: process.pid,
      uptimeMs: worker.uptimeMs(),
      pool: worker.pool,
      concurrency: worker.budget.limit,
      slots: worker.slots(),
      running: worker.executor.running.size,
      processed: worker.log.processed(),
      queues: worker.queues(),
      version: VERSION,
      memory: usage.memory(),
      cpu: usage.cpu(),
    }),
    activeQueues: () => worker.queues(),
    conf: () => worker.conf(),
    report: () => worker.report(),
    queryTask: ({ ids }) => reports.find(ids),
  };
}

function changes(worker: Steering): Omit<CommandHandlers, Reading> {
  const { autoscale, budget, executor } = worker;
  return {
    poolGrow: ({ n }) => {
      autoscale.grow(n);
      return { ok: `concurrency is ${budget.limit} now` };
    },
    poolShrink: ({ n }) => {
      autoscale.shrink(n);
      return { ok: `concurrency is ${budget.limit} now` };
    },
    autoscale: ({ max, min }) => {
      autoscale.set({ max, min });
      return { ok: `concurrency is ${budget.limit} now, and goes from ${min} to ${max} by itself` };
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
    pause: ({ queue, known }) => ({ ok: `"${queue}" is paused${elsewhere(worker, queue, known)}` }),
    resume: ({ queue, known }) => ({ ok: `resumed "${queue}"${elsewhere(worker, queue, known)}` }),
    rateLimit: async ({ task, rate }) => {
      if (!(await worker.rateLimit(task))) throw unknownTask(task);
      return { ok: `${task}: ${rate ?? 'no rate limit'}, over all workers` };
    },
    timeLimit: ({ task, ...changed }) => {
      const now = executor.setLimits(task, changed);
      if (now === undefined) throw unknownTask(task);
      return { ok: `time limits of ${task}: soft ${limitText(now.softMs)}, hard ${limitText(now.hardMs)}` };
    },
    loglevel: ({ level }) => {
      worker.setLogLevel(level);
      return { ok: `log level is ${level} now` };
    },
    revoke: ({ jobIds, reason }) => {
      const wanted = new Set(jobIds);
      const ended = executor.running.values().filter(({ delivery }) => wanted.has(delivery.jobId));
      for (const call of ended) {
        const { taskId, name: taskName } = call.delivery;
        call.end({ kind: 'revoked', reason }, new TaskRevokedError({ taskId, taskName, reason }));
      }
      const waiting = worker.batches.withdraw(({ jobId }) => wanted.has(jobId), { kind: 'revoked', reason });
      return { ok: `ended ${ended.length + waiting} running tasks` };
    },
    forget: ({ jobIds }) => {
      const wanted = new Set(jobIds);
      const known = [...executor.running.values(), ...executor.held.values()]
        .map(({ delivery }) => delivery)
        .filter(({ jobId }) => wanted.has(jobId));
      for (const delivery of known) worker.forget(delivery);
      return { ok: `${known.length} running tasks will be forgotten` };
    },
    shutdown: () => {
      worker.shutdown();
      return { ok: 'shutting down' };
    },
    own: ({ name, args }) => worker.runOwn(name, args),
  };
}

function unknownTask(task: string): CeleriacError {
  return new CeleriacError(`task "${task}" is not registered here`);
}

function limitText(limitMs: number | undefined): string {
  return limitMs === undefined ? 'none' : durationText(limitMs);
}

/** Adds a remark for queues that this worker does not consume. */
function elsewhere(worker: Steering, queue: string, known: boolean): string {
  if (worker.queues().some(({ name }) => name === queue)) return '';
  if (known) return '; this node does not take from it';
  throw new CeleriacError(`no queue "${queue}" is known, and none of that name is consumed here`);
}
