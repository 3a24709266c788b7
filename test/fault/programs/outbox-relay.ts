/**
 * A relay that is killed at its nth step: `outbox-relay.js BROKER PREFIX DATABASE N`. A step is a statement that it sends
 * to the database, or a command to Redis that can change something; just before the nth the process ends by SIGKILL. It
 * says `through` when it got through, with the number of its steps. Without N it relays until it is killed.
 */
import { Celeriac } from 'celeriac';
import { Redis } from 'ioredis';
import pg from 'pg';

const [broker = '', prefix = '', outbox = '', nth] = process.argv.slice(2);
const READS = new Set([
  'hmget',
  'get',
  'info',
  'time',
  'ping',
  'client',
  'select',
  'hello',
  'script',
  'zscore',
]);
let steps = 0;
let counting = false;

function step(): void {
  if (counting && ++steps === Number(nth)) process.kill(process.pid, 'SIGKILL');
}

const send = Redis.prototype.sendCommand;
Redis.prototype.sendCommand = function (command, ...rest) {
  if (!READS.has(command.name.toLowerCase())) step();
  return send.call(this, command, ...rest);
};
const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  step();
  return query.apply(this, args);
} as never;

const app = new Celeriac('test', { broker, prefix, outbox, publishRetry: '20s' });
if (nth === undefined) {
  await app.outbox.relay();
  process.send?.('ready');
} else {
  // Connected first: only the steps of the relay itself count.
  await Promise.all([app.result('nobody').exists(), app.outbox.counts()]);
  counting = true;
  await app.outbox.drain();
  // The marks are released behind the batch.
  await new Promise((resolve) => setTimeout(resolve, 100));
  counting = false;
  process.send?.({ through: steps });
  await app.close();
  process.disconnect?.();
}
