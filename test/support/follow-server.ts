/** A server that lets browsers follow tasks, on a port of its own, and a plain reader of its streams. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

type Handler = Parameters<typeof createServer>[1];

/** A server that can be killed and come back. */
export interface TestServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Cuts all connections; the server goes on. */
  cut(): void;
  /** Connections at the moment. */
  connections(): Promise<number>;
  /** As a crash would: the port answers no more. */
  stop(): Promise<void>;
  /** On the same port. */
  start(): Promise<void>;
}

/** Serves until the end of the test. */
export async function serve(t: Pick<TestContext, 'after'>, handler: Handler): Promise<TestServer> {
  let server: Server;
  let port = 0;
  const start = async () => {
    server = createServer(handler).listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  };
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  await start();
  t.after(stop);
  return {
    url: `http://127.0.0.1:${port}`,
    cut: () => server.closeAllConnections(),
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
    stop,
    start,
  };
}

/** One event, as it was sent. */
export interface SentEvent {
  readonly event: string;
  readonly id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The events of a stream, until it ends. */
export async function* eventsOf(response: Response): AsyncGenerator<SentEvent, void, void> {
  let rest = '';
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/, 2) as [string, string]));
      const [event, data, id] = ['event', 'data', 'id'].map((name) => fields.get(name));
      if (event === undefined || data === undefined) continue;
      yield { event, ...(id !== undefined && { id }), data: JSON.parse(data) as SentEvent['data'] };
    }
  }
}
