/** Makes the workers of an app, from its parts. */
import { type AppConfig, confOf } from '../app-options/resolve.js';
import type { AppParts } from '../app-parts.js';
import type { Logger } from '../options/logger.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import { Scheduler } from '../schedules/scheduler.js';
import type { TaskApp } from '../tasks/context.js';
import { isForProcesses, WorkerProcesses } from '../worker/processes/supervisor.js';
import { Worker } from '../worker/worker.js';
import type { ProcessesOptions, WorkerOptions, WorkerParams } from '../worker/worker-options.js';
import type { executorParamsOf } from './executor-params.js';

/** What all runs of an app's tasks share: in workers, in threads, here and now. */
export interface Wiring {
  readonly app: TaskApp;
  readonly name: string;
  readonly errors: ErrorClasses;
  readonly executor: ReturnType<typeof executorParamsOf>;
  /** Instantiates the services that were registered as classes. */
  prepare(): Promise<void>;
}

export interface MakeWorkerParams extends Wiring {
  readonly config: AppConfig;
  readonly logger: Logger;
  onStopped(): void;
}

/** @throws {OptionError} for an invalid option */
export function makeWorker(
  options: WorkerOptions | ProcessesOptions,
  parts: AppParts,
  { app, name, config, errors, logger, executor, prepare, onStopped }: MakeWorkerParams,
): Worker | WorkerProcesses {
  const { broker, outbox: _, ...settings } = config;
  const params: WorkerParams = {
    ...settings,
    logger,
    ...executor,
    ...parts.working,
    app,
    errors,
    appName: name,
    brokerUrl: () => (typeof broker === 'string' && !parts.engine.oneProcess ? broker : undefined),
    conf: () => ({ ...confOf(config, parts.engine.address) }),
    prepare,
    workflows: parts.flows,
    scheduler: new Scheduler(parts.scheduling),
    onStopped,
  };
  return isForProcesses(options) ? new WorkerProcesses(options, params) : new Worker(options, params);
}
