/**
 * Isolates the users' AsyncLocalStorage: a task must see neither the context its worker was started in nor the
 * context that the task before it entered. It must stay cheap: every task goes through here.
 */
import { AsyncResource } from 'node:async_hooks';

/** Created when this package is loaded: outside any request and any task. User code must never run directly in it. */
const OUTSIDE = new AsyncResource('celeriac');
/** Spares the garbage collector a watch on each resource: no `destroy` hook is needed. */
const UNWATCHED = { requireManualDestroy: true };

/** Runs `body` in an asynchronous context of its own, which begins empty and ends with it. */
export function outsideContext<R>(body: () => R): R {
  return OUTSIDE.runInAsyncScope(makeContext).runInAsyncScope(body);
}

function makeContext(): AsyncResource {
  return new AsyncResource('celeriac.task', UNWATCHED);
}
