/**
 * A web process that calls tasks and loads nothing of the worker: the service is imported as a type only.
 *
 *   GET  /                a page that does what follows
 *   POST /reports/42      sends the task, answers where it can be followed
 *   GET  /follow/<token>  its states as server-sent events, until it has ended
 */
import { randomBytes } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { Celeriac } from 'celeriac';
import { follow, followToken } from 'celeriac/web';
import type { ReportService } from '../01-report/tasks.js';
import { bundledPage, HTML } from './bundle.js';

const app = new Celeriac('reports', {
  broker: process.env.CELERIAC_BROKER_URL ?? 'redis://127.0.0.1:6379/0',
});
const reports = app.tasks<ReportService>()({ generateReport: 'generate_report_task' });

// Servers that stand in for each other share it; so do a server and the one it is restarted as.
const secret = process.env.FOLLOW_SECRET ?? randomBytes(32).toString('hex');
const following = follow(app, { secret });
const page = await bundledPage();

const server = createServer(async (request, response) => {
  try {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const [kind = '', id] = path.slice(1).split('/').map(decodeURIComponent);
    if (request.method === 'POST' && kind === 'reports' && id) {
      // Here is the place to check who asks: the token is the permission to follow this one task.
      const result = await reports.generateReport.delay(id);
      const url = `/follow/${followToken(result, { secret, expires: '1h' })}`;
      send(response, 202, 'application/json', `${JSON.stringify({ follow: url })}\n`);
    } else if (kind === 'follow') {
      await following.node(request, response);
    } else if (kind === '') {
      send(response, 200, 'text/html; charset=utf-8', HTML);
    } else if (kind === 'page.js') {
      send(response, 200, 'text/javascript; charset=utf-8', page);
    } else {
      send(response, 404, 'text/plain', 'POST /reports/<id>, GET /follow/<token>\n');
    }
  } catch (error) {
    if (!response.headersSent) send(response, 500, 'text/plain', `${error}\n`);
    else response.destroy();
  }
});

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}

const port = Number(process.env.PORT ?? 3000);
server.listen(port, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${port}`));

process.once('SIGTERM', async () => {
  // Browsers connect again by themselves, to whichever server answers then.
  await following.close();
  server.close();
  server.closeAllConnections();
  await app.close();
});
