/** Answers requests of Node's own server by a function from web request to web response; no bodies of requests. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is looked at of a request. */
export type RequestHead = Pick<Request, 'method' | 'url' | 'signal'> & {
  readonly headers: Pick<Headers, 'get'>;
};

/** Resolves once the answer has ended, or the client has gone. */
export async function serveNode(
  handle: (request: RequestHead) => Promise<Response>,
  { url = '/', method = 'GET', headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  response.once('close', () => gone.abort());
  const {
    status,
    headers: own,
    body,
  } = await handle({
    method,
    // Where it was sent to does not matter here.
    url: `http://localhost${url.startsWith('/') ? url : '/'}`,
    headers: { get: (name) => [headers[name] ?? []].flat()[0] ?? null },
    signal,
  });
  const reader = body?.getReader();
  if (!signal.aborted) response.writeHead(status, Object.fromEntries(own));
  while (!signal.aborted) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done) break;
    if (!response.write(value)) await once(response, 'drain', { signal }).catch(() => undefined); // it has gone
  }
  await reader?.cancel();
  if (!signal.aborted) response.end();
}
