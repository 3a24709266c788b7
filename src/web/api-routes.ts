/** Every call of the API: where it is, what it may do, and who answers. */

import { VERSION } from '../version.js';
import { callTask } from './changes/call-task.js';
import { queueAction } from './changes/queue-actions.js';
import { deleteOne, manyBy, retryOne, revokeOne, runOneNow } from './changes/run-actions.js';
import {
  addSchedule,
  deleteSchedule,
  putSchedule,
  runScheduleNow,
  scheduleAction,
} from './changes/schedule-actions.js';
import { controlWorker } from './changes/worker-actions.js';
import { Refusal } from './http/refusal.js';
import type { Method, Route } from './http/router.js';
import { openApiDocument } from './openapi/document.js';
import { showChunks, showRun } from './runs/run-detail.js';
import { showGraph } from './runs/run-graph.js';
import { listRuns } from './runs/run-list.js';
import { listFailed } from './views/failed-groups.js';
import { listLimits } from './views/limit-list.js';
import { showOverview } from './views/overview.js';
import { listQueues } from './views/queue-list.js';
import { listSchedules } from './views/schedule-list.js';
import { listTasks } from './views/task-list.js';
import { listWorkers } from './views/worker-list.js';
import type { ApiCall, ApiHandler } from './web-context.js';
import type { WebAction } from './web-options.js';

function reading(path: string, handle: ApiHandler): Route<ApiHandler> {
  return { method: 'GET', path, action: 'read', handle };
}

function changing(
  method: Exclude<Method, 'GET'>,
  path: string,
  action: WebAction,
  handle: ApiHandler,
): Route<ApiHandler> {
  return { method, path, action, handle };
}

/** An event stream. */
function openEvents({ context, signal }: ApiCall): Response {
  if (context.streams.full)
    throw new Refusal(503, 'TOO_MANY_STREAMS', 'Too many pages are open on this server.', {
      'retry-after': '10',
    });
  return context.streams.open(signal);
}

/** In the order in which they are tried. */
export const ROUTES: readonly Route<ApiHandler>[] = [
  reading('/overview', showOverview),
  reading('/tasks', listTasks),
  reading('/runs', listRuns),
  reading('/runs/{id}', showRun),
  reading('/runs/{id}/chunks', showChunks),
  reading('/runs/{id}/graph', showGraph),
  reading('/workers', listWorkers),
  reading('/queues', listQueues),
  reading('/schedules', listSchedules),
  reading('/failed', listFailed),
  reading('/limits', listLimits),
  reading('/events', openEvents),
  reading('/openapi.json', ({ base }) => openApiDocument(VERSION, base)),
  changing('POST', '/tasks/{name}/call', 'call', callTask),
  changing('POST', '/runs/revoke', 'revoke', manyBy('revoke')),
  changing('POST', '/runs/retry', 'retry', manyBy('retry')),
  changing('POST', '/runs/delete', 'delete', manyBy('delete')),
  changing('POST', '/runs/{id}/revoke', 'revoke', revokeOne),
  changing('POST', '/runs/{id}/retry', 'retry', retryOne),
  changing('POST', '/runs/{id}/run-now', 'run-now', runOneNow),
  changing('DELETE', '/runs/{id}', 'delete', deleteOne),
  changing('POST', '/queues/{name}/pause', 'pause', queueAction('pause')),
  changing('POST', '/queues/{name}/resume', 'resume', queueAction('resume')),
  changing('POST', '/queues/{name}/purge', 'purge', queueAction('purge')),
  changing('POST', '/workers/{node}/{command}', 'control', controlWorker),
  changing('POST', '/schedules', 'schedule', addSchedule),
  changing('PUT', '/schedules/{name}', 'schedule', putSchedule),
  changing('DELETE', '/schedules/{name}', 'schedule', deleteSchedule),
  changing('POST', '/schedules/{name}/pause', 'schedule', scheduleAction('pause')),
  changing('POST', '/schedules/{name}/resume', 'schedule', scheduleAction('resume')),
  changing('POST', '/schedules/{name}/run-now', 'schedule', runScheduleNow),
];
