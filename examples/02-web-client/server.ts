/**
 * A web process that calls tasks and loads nothing of the worker: the service is imported as a type only.
 *
 *   POST /reports/42          sends the task, answers its id
 *   GET  /tasks/<id>          what is known of it now
 *   GET  /tasks/<id>/updates  its states as server-sent events, until it has ended
 */
import { createServer, type ServerResponse } from 'node:http';
import { Celeriac } from 'celeriac';
import type { ReportService } from '../01-report/tasks.js';

const app = new Celeriac('reports', {
  broker: process.env.CELERIAC_BROKER_URL ?? 'redis://127.0.0.1:6379/0',
});
const reports = app.tasks<ReportService>()({ generateReport: 'generate_report_task' });

const server = createServer(async (request, response) => {
  try {
    const [kind, id, view] = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1).split('/');
    if (request.method === 'POST' && kind === 'reports' && id) {
      const result = await reports.generateReport.delay(id);
      answer(response, 202, { taskId: result.id });
    } else if (kind === 'tasks' && id && view === undefined) {
      const { state, known, meta, value } = await reports.generateReport.result(id).snapshot();
      answer(response, known ? 200 : 404, { state, meta, value });
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
  if (!(await result.exists())) return answer(response, 404, { error: 'no such task' });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  for await (const update of result.updates({ signal: gone.signal })) {
    response.write(`data: ${JSON.stringify(update)}\n\n`);
  }
  response.end();
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
