/**
 * A worker process whose tasks run by themselves and write which tick they are into a list of the broker. Tells
 * `ready`; ends when it is told to or killed.
 */
import { Celeriac, every, type TaskContext } from 'celeriac';
import { Redis } from 'ioredis';

const [broker = '', prefix = ''] = process.argv.slice(2);
const ledger = new Redis(broker);
const app = new Celeriac('ticking', { broker, prefix, lockDuration: '1s', publishRetry: '20s' });

async function note({ request }: TaskContext): Promise<void> {
  const { id, deliveries, headers } = request;
  const dueAt = Date.parse(String(headers.scheduledAt));
  await ledger.rpush(request.name, JSON.stringify({ id, deliveries, dueAt, pid: process.pid }));
}

app.task('kept', { schedule: every('1s'), maxDeliveries: 10 }, function () {
  return note(this);
});
// Its records go at once, and with them what tells a second addition from a first.
app.task('dropped', { schedule: every('1s'), maxDeliveries: 10, ignoreResult: true }, function () {
  return note(this);
});

const worker = app.worker({ concurrency: 5, shutdownTimeout: '1s' });
await worker.start();
process.send?.('ready');
process.on('message', async () => {
  await app.close();
  ledger.disconnect();
  process.disconnect();
});
