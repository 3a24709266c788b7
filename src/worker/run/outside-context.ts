/**
 * Keeps what users hold in an AsyncLocalStorage where it belongs: a task sees neither what its worker was started in nor
 * what the task before it entered. It must stay cheap: every task goes through here.
 */
import { AsyncResource } from 'node:async_hooks';

/** Made where this package was loaded: outside any request and any task. Nothing of a user's ever runs in it. */
const OUTSIDE = new AsyncResource('celeriac');
/** Not watched by the garbage collector: nobody is interested in its end. */
const UNWATCHED = { requireManualDestroy: true };

/** Runs `body` in an asynchronous context of its own, which begins empty and ends with it. */
export function outsideContext<R>(body: () => R): R {
  return OUTSIDE.runInAsyncScope(makeContext).runInAsyncScope(body);
}

function makeContext(): AsyncResource {
  return new AsyncResource('celeriac.task', UNWATCHED);
}
