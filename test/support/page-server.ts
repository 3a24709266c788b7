/** The page of an app, served over HTTP on a port of its own, which can go away and come back. */
import { createServer, type Server } from 'node:http';
import type { TestContext } from 'node:test';
import type { Celeriac } from 'celeriac';
import { type WebOptions, web } from 'celeriac/web';
import { freePort } from './servers.js';

export interface ServedPage {
  /** With a slash at its end. */
  readonly url: string;
  /** Ends all connections and listens no more. */
  stop(): Promise<void>;
  /** Listens again, on the same port. */
  start(): Promise<void>;
}

export async function servePage(
  t: Pick<TestContext, 'after'>,
  app: Celeriac,
  options: WebOptions = {},
): Promise<ServedPage> {
  const port = await freePort();
  const handler = web(app, options);
  let server: Server | undefined;
  const served: ServedPage = {
    url: `http://127.0.0.1:${port}${options.basePath ?? ''}/`,
    async stop() {
      const ended = server;
      server = undefined;
      if (ended === undefined) return;
      await new Promise<void>((resolve) => {
        ended.close(() => resolve());
        ended.closeAllConnections();
      });
    },
    async start() {
      const started = createServer((request, response) => void handler.node(request, response));
      server = started;
      await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    },
  };
  t.after(async () => {
    await handler.close();
    await served.stop();
  });
  await served.start();
  return served;
}
