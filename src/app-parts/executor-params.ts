/** What runs tasks needs of an app, wherever they run: in a worker, in a thread, here and now. */
import type { AppConfig } from '../app-options/resolve.js';
import type { AppParts } from '../app-parts.js';
import type { ErrorClasses } from '../protocol/wire-error.js';
import type { RunMiddleware } from '../tasks/middleware.js';
import type { Registry } from '../tasks/registry.js';
import { Spawner } from '../worker/workflow/spawn.js';

export interface ExecutorSource {
  readonly config: AppConfig;
  readonly registry: Registry;
  readonly errors: ErrorClasses;
  readonly middleware: readonly RunMiddleware[];
}

export function executorParamsOf(parts: AppParts, { config, ...source }: ExecutorSource) {
  const { timezone, unknownTaskGraceMs, queues } = config;
  const spawning = new Spawner(parts.flows.spawning);
  return { ...source, timezone, unknownTaskGraceMs, queues, ...parts.running, spawning };
}
