/** Asking the API of the page, as a program would. */
import assert from 'node:assert/strict';
import type { WebHandler } from 'celeriac/web';

export const ORIGIN = 'http://localhost:5555';

/** The answer to `GET path`, of a status. */
export async function read<R>(web: WebHandler, path: string, status = 200): Promise<R> {
  return body<R>(await web.fetch(new Request(`${ORIGIN}/api/v1/${path}`)), status);
}

/** The answer to a change, of a status. */
export async function change<R>(
  web: WebHandler,
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  given?: unknown,
  status = 200,
): Promise<R> {
  const request = new Request(`${ORIGIN}/api/v1/${path}`, {
    method,
    ...(given !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(given),
    }),
  });
  return body<R>(await web.fetch(request), status);
}

async function body<R>(answer: Response, status: number): Promise<R> {
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  return JSON.parse(text) as R;
}
