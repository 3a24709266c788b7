/** Every call of the API: where it is, what it may do, and who answers. */
import type { Route } from './http/router.js';
import { showChunks, showRun } from './runs/run-detail.js';
import { listRuns } from './runs/run-list.js';
import { listFailed } from './views/failed-groups.js';
import { listLimits } from './views/limit-list.js';
import { showOverview } from './views/overview.js';
import { listQueues } from './views/queue-list.js';
import { listSchedules } from './views/schedule-list.js';
import { listTasks } from './views/task-list.js';
import { listWorkers } from './views/worker-list.js';
import type { ApiHandler } from './web-context.js';

/** Where the API is below the mount. */
export const API = '/api/v1';

function reading(path: string, handle: ApiHandler): Route<ApiHandler> {
  return { method: 'GET', path, action: 'read', handle };
}

/** In the order in which they are tried. */
export const ROUTES: readonly Route<ApiHandler>[] = [
  reading('/overview', showOverview),
  reading('/tasks', listTasks),
  reading('/runs', listRuns),
  reading('/runs/{id}', showRun),
  reading('/runs/{id}/chunks', showChunks),
  reading('/workers', listWorkers),
  reading('/queues', listQueues),
  reading('/schedules', listSchedules),
  reading('/failed', listFailed),
  reading('/limits', listLimits),
];
