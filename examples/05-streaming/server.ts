/**
 * Shows a text in the browser while the task writes it, also after a reload.
 *
 *   GET  /                 a page that does what follows
 *   POST /texts/hops       sends the task, answers its id
 *   GET  /texts/<id>/words the words as server-sent events, from the one after `Last-Event-ID` on
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { StreamRestartedError } from 'celeriac';
import { PAGE } from './page.js';
import { app, writer } from './tasks.js';

if (process.env.CELERIAC_BROKER_URL === undefined) await app.worker().start();

const server = createServer(async (request, response) => {
  try {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const [kind = '', id, view] = path.slice(1).split('/').map(decodeURIComponent);
    if (request.method === 'GET' && kind === '') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
    } else if (request.method === 'POST' && kind === 'texts' && id) {
      const result = await writer.write.delay(id);
      response.writeHead(202, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ taskId: result.id }));
    } else if (kind === 'texts' && id && view === 'words') {
      await words(id, request, response);
    } else {
      response.writeHead(404).end();
    }
  } catch (error) {
    if (!response.headersSent) response.writeHead(500).end(String(error));
    else response.destroy();
  }
});

async function words(taskId: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const result = writer.write.result(taskId);
  // A browser takes 404 for final; it will not connect again.
  if (!(await result.exists())) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  // A browser that lost its connection says which word it had last.
  const last = request.headers['last-event-id'];
  const from = last === undefined ? 0 : Number(last) + 1;
  const send = (event: string, data: unknown, id?: number) =>
    response.write(
      `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
    );
  try {
    for await (const { index, chunk } of result.stream({ from, signal: gone.signal }).entries())
      send('word', chunk, index);
    send('end', await result.get());
  } catch (error) {
    if (gone.signal.aborted) return;
    // The worker was lost, and another one writes the text anew.
    send(error instanceof StreamRestartedError ? 'restart' : 'failed', String(error));
  }
  response.end();
}

const port = Number(process.env.PORT ?? 3000);
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));

process.once('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await app.close();
});
