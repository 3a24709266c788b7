/** The handles on a worker that remote control may use. */
import type { OwnCommands } from '../control/own-commands.js';
import type { Logger, LogLevel } from '../options/logger.js';
import type { Delivery } from '../queue/delivery.js';
import { forgetAtEnd } from '../results/forget.js';
import type { TaskGround } from '../results/revoke.js';
import type { Registry } from '../tasks/registry.js';
import type { Steering } from './observe/control-handlers.js';
import { reportText } from './observe/node-report.js';
import type { Limits } from './queues/limits.js';
import type { QueueConsumers } from './queues/queue-consumers.js';
import type { WorkerDescription } from './worker-options.js';

/** The parts of a worker behind its handles. */
export interface SteeringParams
  extends Pick<
    Steering,
    'executor' | 'pool' | 'batches' | 'budget' | 'autoscale' | 'log' | 'reports' | 'conf'
  > {
  readonly params: TaskGround & {
    readonly registry: Registry;
    readonly commands: OwnCommands;
    readonly logger: Logger & { setLevel(level: LogLevel): void };
  };
  readonly consumers: QueueConsumers;
  readonly limits: Limits;
  /** When the worker was made, on this process's steady clock. */
  readonly madeAt: number;
  node(): string;
  describe(): WorkerDescription;
  stop(): Promise<void>;
}

/** The reply to a shutdown must leave first, ms. */
const REPLY_MS = 50;

export function steeringOf(worker: SteeringParams): Steering {
  const { params, consumers, limits, madeAt, conf } = worker;
  return {
    ...worker,
    uptimeMs: () => Math.round(performance.now() - madeAt),
    registered: () => params.registry.names(),
    queues: () => consumers.reports(),
    slots: () => consumers.slotCounts,
    report: () => reportText(worker.describe(), conf()),
    forget: (delivery: Delivery) => forgetAtEnd(params, delivery),
    setLogLevel: (level: LogLevel) => params.logger.setLevel(level),
    addConsumer: (queue: string, concurrency: number | undefined) => consumers.add(queue, concurrency),
    cancelConsumer: (queue: string) => consumers.cancel(queue),
    rateLimit: async (task: string) => {
      if (params.registry.get(task) === undefined) return false;
      await consumers.openLanes(task);
      limits.wake(task);
      return true;
    },
    shutdown: () => {
      params.logger.info({ node: worker.node() }, 'shutdown requested; waiting for running tasks');
      setTimeout(() => void worker.stop(), REPLY_MS);
    },
    runOwn: (name: string, args: unknown) => params.commands.run(name, args, { node: worker.node() }),
  };
}
