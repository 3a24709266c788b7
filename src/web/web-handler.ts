/**
 * The page and its API as one handler of requests: `fetch` for frameworks of the web's kind, `node` for those of Node's.
 * It connects to nothing before the first request, and holds nothing of the framework it is mounted in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Celeriac } from '../app.js';
import { VERSION } from '../version.js';
import { API } from './api-path.js';
import { ROUTES } from './api-routes.js';
import { jsonAnswer, refused, SAFE_HEADERS } from './http/answers.js';
import type { BasicLogin } from './http/basic-login.js';
import { bridge } from './http/node-bridge.js';
import { PageFiles } from './http/page-files.js';
import { Refusal, refusalOf } from './http/refusal.js';
import { readBody } from './http/request-body.js';
import { type Found, Router } from './http/router.js';
import { admit, type Guard } from './http/safety.js';
import { readChanged } from './runs/changed-runs.js';
import { queueViews } from './views/queue-list.js';
import { EventStreams } from './watch/event-streams.js';
import { FleetWatch } from './watch/fleet-watch.js';
import { ChartHistory, DAY_POINTS } from './watch/history.js';
import { type ApiCall, type ApiHandler, makeContext, type WebContext } from './web-context.js';
import type { WebSettings } from './web-options.js';

/** The page, to be mounted anywhere. */
export interface WebHandler {
  /** Answers a request: for Hono, Next, and all that speak the web's requests. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Answers Node's requests: for Express, Fastify, Nest and plain `node:http`. */
  node(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Ends its streams and stops listening. The app stays open. May be called twice. */
  close(): Promise<void>;
}

/** What the command line adds to the options. */
export interface ServedBy {
  readonly hosts?: ReadonlySet<string>;
  readonly login?: BasicLogin;
  /** Where the page's files are. */
  readonly folder?: string;
}

/** Points of charts where no history is kept. */
const HOUR_POINTS = DAY_POINTS / 24;
const READING = new Set(['GET', 'HEAD']);

export class WebServer implements WebHandler {
  readonly #context: WebContext;
  readonly #router = new Router<ApiHandler>(ROUTES);
  readonly #files: PageFiles;
  readonly #guard: Guard;
  readonly #settings: WebSettings;
  readonly #watch: FleetWatch;
  readonly #streams: EventStreams;
  readonly #history: ChartHistory | undefined;

  constructor(app: Celeriac, settings: WebSettings, { hosts, login, folder }: ServedBy = {}) {
    this.#settings = settings;
    this.#watch = new FleetWatch({
      app,
      always: settings.history !== false,
      points: settings.history === false ? HOUR_POINTS : DAY_POINTS,
      onPoints: (points) => this.#history?.add(points),
      onError: (error) => this.#context.logger().warn({ error }, 'the page cannot listen to events'),
      now: () => this.#context.parts.clock.now(),
    });
    this.#streams = new EventStreams({
      watch: this.#watch,
      read: (changed) => readChanged(this.#context, changed),
      queues: async () => {
        const { queues, fleet } = this.#context;
        const now = this.#context.parts.clock.now();
        return queueViews(await queues.get(), await fleet.get(), this.#watch.statistics, now);
      },
      onError: (error) =>
        this.#context.logger().debug({ error }, 'an event stream of the page lacks something'),
    });
    if (settings.history instanceof URL) {
      this.#history = new ChartHistory(settings.history, (error) =>
        this.#context.logger().warn({ error }, 'the history of the page cannot be kept'),
      );
      void this.#history.read().then((points) => this.#watch.remember(points));
    }
    this.#context = makeContext(app, settings, this.#watch, this.#streams);
    const { authorize, readOnly } = settings;
    this.#files = new PageFiles({ app: app.name, version: VERSION, readOnly }, folder);
    this.#guard = { authorize, readOnly, hosts, login };
  }

  readonly fetch = (request: Request): Promise<Response> => this.#answer(request, undefined);

  readonly node = (req: IncomingMessage, res: ServerResponse): Promise<void> =>
    bridge(req, res, (request, mount) => this.#answer(request, mount));

  async close(): Promise<void> {
    this.#streams.close();
    this.#watch.close();
    await this.#history?.close();
  }

  async #answer(request: Request, mount: string | undefined): Promise<Response> {
    try {
      const answer = await this.#handle(request, this.#settings.basePath ?? mount ?? '');
      return request.method === 'HEAD' ? new Response(null, answer) : answer;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) return refused(refusal);
      this.#context
        .logger()
        .error({ error, path: new URL(request.url).pathname }, 'a request of the page failed');
      return refused(new Refusal(500, 'INTERNAL', 'This failed here. The log of the server has the reason.'));
    }
  }

  /** @param base where it is mounted, without a slash at its end */
  async #handle(request: Request, base: string): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const inside = pathname === base || pathname.startsWith(`${base}/`);
    const path = inside ? pathname.slice(base.length) : undefined;
    const isApi = path?.startsWith(`${API}/`) === true;
    const found: Found<ApiHandler> = isApi
      ? this.#router.find(request.method, path.slice(API.length))
      : { kind: 'nothing' };
    const who = await admit(this.#guard, {
      request,
      action: found.kind === 'route' ? found.route.action : 'read',
      changes: !READING.has(request.method),
    });
    if (isApi) return this.#call(request, found, { who, base });
    if (path === undefined || !READING.has(request.method)) throw notFound(pathname);
    if (path === '')
      return new Response(null, { status: 308, headers: { ...SAFE_HEADERS, location: `${base}/${search}` } });
    const file = this.#files.answer(path.slice(1), base, request);
    if (file === undefined) throw notFound(pathname);
    return file;
  }

  async #call(
    request: Request,
    found: Found<ApiHandler>,
    mounted: Pick<ApiCall, 'who' | 'base'>,
  ): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    if (found.kind === 'nothing') throw notFound(pathname);
    if (found.kind === 'other method')
      throw new Refusal(405, 'WRONG_METHOD', `${pathname} takes ${found.methods.join(' and ')} only.`, {
        allow: found.methods.join(', '),
      });
    const { route, params } = found;
    const body = route.method === 'GET' ? {} : await readBody(request);
    const context = this.#context;
    const answer = await route.handle({ context, params, query, body, signal: request.signal, ...mounted });
    return answer instanceof Response ? answer : jsonAnswer(answer);
  }
}

function notFound(path: string): Refusal {
  return new Refusal(404, 'NOT_FOUND', `There is nothing at ${path}.`);
}
