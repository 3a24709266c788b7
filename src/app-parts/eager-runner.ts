/** The runner of an app's calls that run here and now. */
import type { AppParts } from '../app-parts.js';
import type { Logger } from '../options/logger.js';
import type { TaskApp } from '../tasks/context.js';
import { emitOwnEventHere } from '../worker/observe/own-events.js';
import { type EagerParams, EagerRunner } from '../worker/run/eager.js';

export interface EagerRunnerParams {
  readonly app: TaskApp;
  readonly name: string;
  readonly logger: Logger;
  readonly executor: Omit<EagerParams, 'host' | 'here' | 'results' | 'prepare'>;
  prepare(): Promise<void>;
}

export function makeEagerRunner(parts: AppParts, params: EagerRunnerParams): EagerRunner {
  const { app, name, logger, executor } = params;
  return new EagerRunner({
    ...executor,
    here: (detour) => parts.flows.launcher.here(detour),
    host: {
      node: name,
      logger,
      app,
      stopping: false,
      sendEvent: (delivery, event) => emitOwnEventHere(parts, delivery, name, event),
    },
    results: parts.results,
    prepare: () => params.prepare(),
  });
}
