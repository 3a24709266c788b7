/**
 * `follow()`: lets browsers follow single tasks, each with a token that this server signed. It gives an event stream of
 * one task and nothing else; it must never say more to who has no token than that.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Celeriac, partsOf } from '../../app.js';
import { isCeleriacError, OptionError } from '../../errors.js';
import { checkNames } from '../../options/names.js';
import type { AsyncResult } from '../../results/async-result.js';
import { show } from '../../show.js';
import { bridge } from '../http/node-bridge.js';
import { bodyOf, ENDED, placeIn, STREAM_HEADERS } from './event-stream.js';
import { type TaskEvent, taskEvents } from './task-events.js';
import { type FollowSecret, readSecrets, taskOfToken } from './token.js';

/** Options of `follow()`. */
export interface FollowOptions {
  /** What `followToken()` signs with: at least 16 bytes. Of several the first one signs, and all are accepted. */
  secret: FollowSecret;
  /** Other origins whose pages may follow tasks, such as `https://shop.example`; `'*'` for all. Default: none. */
  origins?: string | readonly string[];
}

/** Answers `GET …/:token`, wherever it is mounted: the last part of the path is the token. */
export interface FollowHandler {
  /** For servers of web requests: Hono, Next, Bun, Deno. */
  fetch(request: Request): Promise<Response>;
  /** For Node's own server and those around it: Express, Fastify, Nest. Resolves once the answer has ended. */
  node(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Ends all streams: browsers connect again, to another server. May be called twice. */
  close(): Promise<void>;
}

/** The longest a browser hears nothing, ms. */
const PING_MS = 15_000;

/**
 * Makes the handler that lets browsers follow tasks of `app`.
 * @throws {OptionError} for an invalid option
 * @example server.use('/follow', follow(app, { secret: process.env.FOLLOW_SECRET }).node);
 */
export function follow(app: Celeriac, options: FollowOptions): FollowHandler {
  if (!((app as unknown) instanceof Celeriac))
    throw new OptionError(
      `follow(): give the app, a Celeriac of this copy of the package; got ${show(app)}. ` +
        '`npm ls celeriac` shows whether there are two.',
    );
  checkNames(options, ['secret', 'origins'], 'follow()');
  const keys = readSecrets(options.secret, 'follow()');
  const origins = readOrigins(options.origins);
  const open = new Set<AbortController>();
  let closed = false;

  const answer = async (request: Request): Promise<Response> => {
    if (request.method === 'OPTIONS') return new Response(null, { status: 204 });
    if (request.method !== 'GET') return refusal(405, 'METHOD_NOT_ALLOWED', 'Only GET is answered here.');
    const { pathname, searchParams } = new URL(request.url);
    const taskId = taskOfToken(lastPart(pathname), keys);
    if (taskId === undefined) return refusal(403, 'FORBIDDEN', 'This link is not valid, or not any more.');
    const lastId = request.headers.get('last-event-id') ?? searchParams.get('lastEventId');
    // Browsers take this for final.
    if (lastId === ENDED) return new Response(null, { status: 204 });
    const result = app.result(taskId);
    const refused = closed ? UNAVAILABLE() : await whyNot(result);
    return refused ?? stream(result, lastId, request.signal);
  };

  const stream = (result: AsyncResult, lastId: string | null, gone: AbortSignal): Response => {
    const leaving = new AbortController();
    const leave = () => {
      gone.removeEventListener('abort', leave);
      open.delete(leaving);
      leaving.abort();
    };
    gone.addEventListener('abort', leave);
    open.add(leaving);
    if (closed || gone.aborted) leave();
    const events = taskEvents(result, { after: placeIn(lastId), signal: leaving.signal, pingMs: PING_MS });
    const onError = (error: unknown): TaskEvent | undefined => {
      if (leaving.signal.aborted || isPassing(error)) return undefined;
      const why = 'A task that a browser follows cannot be read.';
      partsOf(app).scheduling.logger().error({ error, taskId: result.id }, why);
      return { type: 'end', state: 'PENDING', error: { name: 'Error', message: 'The task cannot be read.' } };
    };
    return new Response(bodyOf(events, { onError, onClose: leave }), { headers: STREAM_HEADERS });
  };

  const handle = async (request: Request): Promise<Response> => {
    const response = await answer(request);
    for (const [name, value] of [...SAFE_HEADERS, ...corsHeaders(origins, request)])
      response.headers.set(name, value);
    return response;
  };

  return {
    fetch: handle,
    node: (request, response) => bridge(request, response, handle),
    close: async () => {
      closed = true;
      for (const each of open) each.abort();
    },
  };
}

/** Why a task cannot be followed now, as an answer; undefined if it can. */
async function whyNot(result: AsyncResult): Promise<Response | undefined> {
  try {
    if ((await result.snapshot()).known) return undefined;
    // Resolves for a task that has ended and leaves no result.
    await result.get({ timeout: 0 });
    return undefined;
  } catch (error) {
    if (isCeleriacError(error, 'UNKNOWN_TASK'))
      return refusal(404, 'UNKNOWN_TASK', 'This task is not known, or not any more.');
    // What the task has stored cannot be read: the stream says so.
    return isPassing(error) ? UNAVAILABLE() : undefined;
  }
}

/** What another request may not meet. */
function isPassing(error: unknown): boolean {
  return PASSING.some((code) => isCeleriacError(error, code));
}

const PASSING = ['BROKER', 'BROKER_UNAVAILABLE', 'APP_CLOSED', 'UNKNOWN_TASK', 'RESULT_TIMEOUT'] as const;

const SAFE_HEADERS = [
  ['x-content-type-options', 'nosniff'],
  // The address is a credential.
  ['referrer-policy', 'no-referrer'],
] as const;

function corsHeaders(
  origins: '*' | ReadonlySet<string>,
  request: Request,
): readonly (readonly [string, string])[] {
  if (origins !== '*' && origins.size === 0) return [];
  const vary = ['vary', 'origin'] as const;
  const origin = request.headers.get('origin');
  if (origin === null || (origins !== '*' && !origins.has(origin))) return [vary];
  return [
    vary,
    ['access-control-allow-origin', origin],
    ['access-control-allow-methods', 'GET'],
    ['access-control-allow-headers', 'last-event-id, cache-control'],
    ['access-control-max-age', '86400'],
  ];
}

const UNAVAILABLE = () => refusal(503, 'UNAVAILABLE', 'The task cannot be read now. Try again.');

function refusal(status: number, code: string, message: string): Response {
  const headers = {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...(status === 405 && { allow: 'GET, OPTIONS' }),
  };
  return new Response(JSON.stringify({ code, message }), { status, headers });
}

function lastPart(path: string): string {
  return path.split('/').findLast((part) => part !== '') ?? '';
}

function readOrigins(origins: unknown): '*' | ReadonlySet<string> {
  if (origins === undefined) return new Set();
  if (origins === '*') return '*';
  const list: unknown[] = Array.isArray(origins) ? origins : [origins];
  for (const origin of list)
    if (typeof origin !== 'string' || !isOrigin(origin))
      throw new OptionError(
        `follow(): origins must be '*' or a list of origins such as 'https://shop.example'; got ${show(origin)}.`,
      );
  return new Set(list as string[]);
}

/** An origin as browsers send it: scheme, host, and a port that is not the scheme's own. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}
