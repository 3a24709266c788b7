/** Serves the page over HTTP until a signal ends it. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Celeriac } from '../../app.js';
import { CeleriacError, OptionError } from '../../errors.js';
import { type ServedBy, WebServer } from '../../web/web-handler.js';
import type { WebSettings } from '../../web/web-options.js';

/** Where it listens. */
export interface ServeOptions extends ServedBy {
  readonly port: number;
  readonly host: string;
}

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);

/**
 * The names under which requests may ask for the page: on loopback no page elsewhere may have its own name lead here.
 * @returns undefined for any name
 * @throws {OptionError} for a host that others reach, without a login
 */
export function hostsFor(host: string, hasLogin: boolean): ReadonlySet<string> | undefined {
  if (LOOPBACK.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host))
    return new Set(['localhost', '127.0.0.1', '[::1]', host]);
  if (hasLogin) return undefined;
  throw new OptionError(
    `web: --host ${host} can be reached from other machines, and there is no login. Add --auth user:password (or ` +
      '--auth-file, or CELERIAC_WEB_AUTH), or leave --host out: then only this machine reaches it.',
  );
}

/** Resolves when a signal has ended it. */
export async function serveWeb(app: Celeriac, settings: WebSettings, options: ServeOptions): Promise<void> {
  const { port, host, ...servedBy } = options;
  const handler = new WebServer(app, settings, servedBy);
  const server = createServer((req, res) => void handler.node(req, res).catch(() => res.destroy()));
  const ended = signalled();
  try {
    await listen(server, port, host);
    console.log(`celeriac web: ${urlOf(server, host)}${settings.basePath ?? ''}/`);
    await ended;
  } finally {
    await handler.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Open pages would go on for ever.
    server.closeAllConnections();
    await closed;
  }
}

/** @throws {CeleriacError} when the port is taken or not allowed */
function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? 'is in use. Choose another with --port'
          : `cannot be used: ${error.message}`;
      reject(new CeleriacError(`web: port ${port} of ${host} ${why}.`, { cause: error }));
    });
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), resolve);
  });
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
