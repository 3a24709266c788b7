/**
 * `celeriac/web`: the page where people look at an app's tasks, workers and queues, with its REST interface, to be mounted
 * in any web framework. `celeriac web` serves the same.
 */
import type { Celeriac } from './app.js';
import { OptionError } from './errors.js';
import { show } from './show.js';
import { type WebHandler, WebServer } from './web/web-handler.js';
import { readWebOptions, type WebOptions } from './web/web-options.js';

export { type FollowHandler, type FollowOptions, follow } from './web/follow/follow.js';
export { type FollowSecret, type FollowTokenOptions, followToken } from './web/follow/token.js';
export type { WebHandler } from './web/web-handler.js';
export type { WebAction, WebOptions, WebVerdict } from './web/web-options.js';

/**
 * Makes the page of an app. It listens to events only while somebody looks.
 *
 * @throws {OptionError} for an invalid option
 * @example express.use('/queues', web(app, { authorize: (request) => isAdmin(request) }).node)
 * @example hono.all('/queues/*', (c) => web(app, { basePath: '/queues' }).fetch(c.req.raw))
 */
export function web(app: Celeriac, options: WebOptions = {}): WebHandler {
  if (typeof app?.events !== 'function')
    throw new OptionError(`web(app, options): ${show(app)} is no app of celeriac.`);
  return new WebServer(app, readWebOptions(options));
}
