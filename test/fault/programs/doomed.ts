/**
 * A caller or worker that is killed at its nth write: `doomed.js BROKER PREFIX LEDGER ROLE WHAT N`. A write is whatever it
 * sends to Redis that can change something; just before the nth the process ends by SIGKILL. A caller sends the shape
 * WHAT, and says `sent` when it got through. A worker lives until the workflow `whole` has ended, with the trouble that
 * the row WHAT of settle's table needs; it says `ready`, and `through`.
 */
import { Redis } from 'ioredis';
import { crashApp, crashFlow, TEN_SHAPES } from '../../support/flow-shapes.js';

const [broker = '', prefix = '', ledger = '', role = '', what = '', nth = ''] = process.argv.slice(2);
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

const place = { broker, prefix, ledger };
if (role === 'caller') await call();
else await work();
process.disconnect();

async function call(): Promise<void> {
  const { app, tasks } = crashApp(place);
  // Connected first: only the writes of the call itself count.
  await app.result('nobody').exists();
  const shape = TEN_SHAPES[Number(what)];
  if (shape === undefined) throw new Error(`there is no shape ${what}`);
  const flow = crashFlow(shape, 'whole', tasks) as unknown as {
    applyAsync(args: [], options: object): Promise<{ readonly id: string }>;
  };
  counting = true;
  const { id } = await flow.applyAsync([], {});
  counting = false;
  process.send?.({ sent: id });
  await app.close();
}

async function work(): Promise<void> {
  let over = () => {};
  const stopped = new Promise<void>((resolve) => {
    over = resolve;
  });
  const { app } = crashApp(place, {
    ...(what === 'handBack' && { stop: () => void worker.stop({ timeout: '1ms' }).then(over) }),
    ...(what === 'lost' && { freeze: () => process.kill(process.pid, 'SIGSTOP') }),
  });
  const worker = app.worker({ concurrency: 2, shutdownTimeout: '1s' });
  await worker.start();
  counting = true;
  process.send?.('ready');
  process.once('message', async () => {
    await app.result('whole').get({ propagate: false });
    over();
  });
  await stopped;
  await worker.stop();
  process.send?.('through');
  await app.close();
}
