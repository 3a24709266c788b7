/**
 * A caller or worker that is killed at its nth write: `doomed.js BROKER PREFIX ROLE N`. A write is whatever it sends to
 * Redis that can change something; just before the nth the process ends by SIGKILL. Tells `{ writes }` when it got
 * through with fewer.
 */
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { crashApp, crashFlow } from '../../support/flow-shapes.js';

const [broker = '', prefix = '', role = '', nth = ''] = process.argv.slice(2);
const READS = new Set([
  'hmget',
  'get',
  'info',
  'time',
  'ping',
  'client',
  'select',
  'auth',
  'hello',
  'subscribe',
  'script',
]);
let writes = 0;
let counting = false;

const send = Redis.prototype.sendCommand;
Redis.prototype.sendCommand = function (command, ...rest) {
  if (counting && !READS.has(command.name.toLowerCase()) && ++writes === Number(nth))
    process.kill(process.pid, 'SIGKILL');
  return send.call(this, command, ...rest);
};

const { app, tasks } = crashApp(broker, prefix, async () => undefined);
if (role === 'caller') {
  // Connected first: only the writes of the call itself count.
  await app.result('nobody').exists();
  counting = true;
  const { id } = await crashFlow(tasks).applyAsync([], { taskId: 'whole' });
  process.send?.({ id, writes });
  await app.close();
  process.disconnect();
} else {
  const worker = app.worker({ concurrency: 2, shutdownTimeout: '1s' });
  await worker.start();
  counting = true;
  process.send?.('ready');
  await once(process, 'message');
  await app.result('whole').get({ propagate: false });
  await worker.stop();
  process.send?.({ writes });
  await app.close();
  process.disconnect();
}
