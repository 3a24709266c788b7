/** Requests to the API under the page's own address. Every answer also says whether the server and its broker are there. */
import { heard } from './connection.js';
import type { Query } from './router.js';

/** An answer that is no success. `code` and the message are the server's. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const SILENT_AFTER_MS = 30_000;

/** `api/v1/` and the parts, each encoded. */
export function address(parts: readonly string[], query: Query = {}): string {
  const url = new URL(`api/v1/${parts.map(encodeURIComponent).join('/')}`, document.baseURI);
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== null && each !== undefined && each !== '') url.searchParams.append(name, String(each));
  return url.href;
}

export function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  return request<T>(url, { signal: signal ?? null });
}

export function send<T>(method: 'POST' | 'PUT' | 'DELETE', url: string, body: object = {}): Promise<T> {
  return request<T>(url, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function request<T>(url: string, init: RequestInit): Promise<T> {
  const late = AbortSignal.timeout(SILENT_AFTER_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, late]) : late;
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(url, { ...init, signal, credentials: 'same-origin', cache: 'no-store' });
    body = await response.json().catch(() => undefined);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    heard('no-server');
    throw new ApiError(0, 'NO_SERVER', 'The server of this page does not answer.');
  }
  heard(response.status === 503 ? 'no-broker' : response.status >= 502 ? 'no-server' : 'well');
  if (response.ok) return body as T;
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown };
  throw new ApiError(
    response.status,
    typeof code === 'string' ? code : `HTTP_${response.status}`,
    typeof message === 'string' ? message : `The server answered with status ${response.status}.`,
  );
}
