/**
 * From Node's request and response to the web's, and back: for Express, Fastify, Nest and plain `node:http`. A reader that
 * is slow, or gone, is felt by what writes the answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { refused } from './answers.js';
import { Refusal } from './refusal.js';

/** What frameworks add to Node's request. */
interface Mounted {
  /** The URL before a router cut its mount off. */
  readonly originalUrl?: unknown;
  /** The body, where a parser has read it. */
  readonly body?: unknown;
}

/** Answers a request as `handle` does. @param handle gets where it is mounted, where that is known */
export async function bridge(
  req: IncomingMessage,
  res: ServerResponse,
  handle: (request: Request, mount: string | undefined) => Promise<Response>,
): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  res.on('close', onClose);
  try {
    const { url, mount } = placeOf(req);
    const request = requestOf(req, url, gone.signal);
    const answer = request === undefined ? refused(NO_REQUEST) : await handle(request, mount);
    await write(answer, res, gone.signal);
  } finally {
    res.off('close', onClose);
  }
}

/** The whole path, and the part of it that a router has cut off. */
export function placeOf(req: IncomingMessage & Mounted): { readonly url: string; readonly mount?: string } {
  const { url = '/', originalUrl } = req;
  if (typeof originalUrl !== 'string' || originalUrl === url) return { url };
  // Express shows "/" for a mount that was asked for without a slash at its end.
  const rest = originalUrl.endsWith(url) ? url : url.replace(/^\//, '');
  if (!originalUrl.endsWith(rest)) return { url: originalUrl };
  return {
    url: originalUrl,
    mount: originalUrl.slice(0, originalUrl.length - rest.length).replace(/\/$/, ''),
  };
}

/** Node lets through what the web's `Request` refuses: a `Host` with a space, the method TRACE. */
const NO_REQUEST = new Refusal(
  400,
  'BAD_REQUEST',
  'The method, the host or a header of this request is not valid.',
);

function requestOf(...args: Parameters<typeof toRequest>): Request | undefined {
  try {
    return toRequest(...args);
  } catch {
    // It is not ours to answer for; without this one request would end the process.
    return undefined;
  }
}

function toRequest(req: IncomingMessage & Mounted, url: string, signal: AbortSignal): Request {
  const scheme = 'encrypted' in req.socket && req.socket.encrypted === true ? 'https' : 'http';
  const base = `${scheme}://${req.headers.host ?? 'localhost'}`;
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers))
    if (value !== undefined && !name.startsWith(':'))
      headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  const { method = 'GET' } = req;
  const body = method === 'GET' || method === 'HEAD' ? null : bodyOf(req);
  // A URL that is no path ("//host", "*") must not name another host.
  const whole = new URL(base);
  const query = url.indexOf('?');
  whole.pathname = query < 0 ? url : url.slice(0, query);
  whole.search = query < 0 ? '' : url.slice(query);
  return new Request(whole, {
    method,
    headers,
    signal,
    ...(body !== null && { body, duplex: 'half' }),
  } as RequestInit);
}

function bodyOf(req: IncomingMessage & Mounted): ReadableStream | string | null {
  // A parser of the framework was there before.
  if (req.body !== undefined && (req.readableEnded || req.complete))
    return typeof req.body === 'string' ? req.body : JSON.stringify(req.body);
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers;
  if (coding === undefined && (length === undefined || length === '0')) return null;
  return Readable.toWeb(req) as ReadableStream;
}

async function write(answer: Response, res: ServerResponse, signal: AbortSignal): Promise<void> {
  res.writeHead(answer.status, Object.fromEntries(answer.headers));
  const reader = answer.body?.getReader();
  if (reader === undefined) {
    res.end();
    return;
  }
  // What fails here is an answer that nobody reads any more.
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', cancel, { once: true });
  try {
    res.flushHeaders();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      if (!res.write(value)) await drained(res, signal);
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    res.end();
  }
}

function drained(res: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    res.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
