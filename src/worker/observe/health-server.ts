/**
 * The HTTP port for orchestrators and Prometheus: `/live`, `/ready`, `/metrics`. It answers from the beginning of
 * `start()`, with or without a broker, and knows of workers only the three methods of `HealthSource`.
 */
import type { Server, ServerResponse } from 'node:http';
import { CeleriacError } from '../../errors.js';
import type { HealthOptions } from '../../options/worker-values.js';

/** An answer, and the reason if it is no. */
export interface Verdict {
  readonly ok: boolean;
  readonly why?: string;
}

/** Where the port gets its answers. */
export interface HealthSource {
  /** Not ok when only a restart will help. */
  live(): Promise<Verdict>;
  /** Not ok while the worker takes no tasks. */
  ready(): Promise<Verdict>;
  /** Prometheus text. */
  metrics(): Promise<string>;
}

const TEXT = 'text/plain; charset=utf-8';
/** The content type of prom-client, repeated so that prom-client need not be loaded. */
const METRICS = 'text/plain; version=0.0.4; charset=utf-8';

export class HealthServer {
  private constructor(private readonly server: Server) {}

  /** @throws {CeleriacError} when the port is taken */
  static async open(
    { port, host = '127.0.0.1' }: HealthOptions,
    source: HealthSource,
  ): Promise<HealthServer> {
    // Imported here, because a static import would slow down every import of this package.
    const { createServer } = await import('node:http');
    const server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0];
      if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'GET only\n');
      answer(path, source).then(
        ({ status, text, type }) => send(response, status, text, type),
        (error: unknown) => send(response, 503, `${error instanceof Error ? error.message : error}\n`),
      );
    });
    // An open health port must not keep the process alive.
    server.unref();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(taken(error, host, port)));
      server.listen(port, host, resolve);
    });
    return new HealthServer(server);
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

interface HttpReply {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

async function answer(path: string | undefined, source: HealthSource): Promise<HttpReply> {
  switch (path) {
    case '/live':
      return shown(await source.live());
    case '/ready':
      return shown(await source.ready());
    case '/metrics':
      return { status: 200, text: await source.metrics(), type: METRICS };
    default:
      return { status: 404, text: 'Ask /live, /ready or /metrics.\n' };
  }
}

function shown({ ok, why }: Verdict): HttpReply {
  return { status: ok ? 200 : 503, text: `${ok ? 'ok' : (why ?? 'no')}\n` };
}

function send(response: ServerResponse, status: number, text: string, type = TEXT): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
}

function taken(error: Error, host: string, port: number): CeleriacError {
  const why = 'code' in error && error.code === 'EADDRINUSE' ? 'it is taken' : error.message;
  return new CeleriacError(
    `The health port ${host}:${port} cannot be opened: ${why}. Choose another one; 0 finds one that is free.`,
    { cause: error },
  );
}
