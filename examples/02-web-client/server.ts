/**
 * A web process that calls tasks and loads nothing of the worker: the service is imported as a type only.
 *
 *   GET  /                    a page that does what follows
 *   POST /reports/42          sends the task, answers its id
 *   GET  /tasks/<id>          what is known of it now
 *   GET  /tasks/<id>/updates  its states as server-sent events, until it has ended
 */
import { createServer, type ServerResponse } from 'node:http';
import { Celeriac } from 'celeriac';
import type { ReportService } from '../01-report/tasks.js';
import { PAGE } from './page.js';

const app = new Celeriac('reports', {
  broker: process.env.CELERIAC_BROKER_URL ?? 'redis://127.0.0.1:6379/0',
});
const reports = app.tasks<ReportService>()({ generateReport: 'generate_report_task' });

const server = createServer(async (request, response) => {
  try {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const [kind = '', id, view] = path.slice(1).split('/').map(decodeURIComponent);
    if (request.method === 'GET' && kind === '') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
    } else if (request.method === 'POST' && kind === 'reports' && id) {
      const result = await reports.generateReport.delay(id);
      answer(response, 202, { taskId: result.id });
    } else if (kind === 'tasks' && id && view === undefined) {
      const { state, known, meta, value, error } = await reports.generateReport.result(id).snapshot();
      answer(response, known ? 200 : 404, { state, meta, value, error: error?.message });
    } else if (kind === 'tasks' && id && view === 'updates') {
      await stream(id, response);
    } else {
      answer(response, 404, { error: 'POST /reports/<id>, GET /tasks/<id>, GET /tasks/<id>/updates' });
    }
  } catch (error) {
    if (!response.headersSent) answer(response, 500, { error: String(error) });
    else response.destroy();
  }
});

async function stream(taskId: string, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const result = reports.generateReport.result(taskId);
  // A browser takes 404 for final; it will not connect again.
  if (!(await result.exists())) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for await (const update of result.updates({ signal: gone.signal })) {
    response.write(`data: ${JSON.stringify(update)}\n\n`);
  }
  // Without a word a browser would take the end for a lost connection, and ask again.
  response.end('event: end\ndata:\n\n');
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

const port = Number(process.env.PORT ?? 3000);
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));

process.once('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await app.close();
});
