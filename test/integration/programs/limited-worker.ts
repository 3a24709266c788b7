/**
 * A worker process with limited tasks, which write what they do into lists of the broker. Tells
 * `ready`; ends when it is told to or killed.
 */
import { Celeriac, currentTask } from 'celeriac';
import { Redis } from 'ioredis';

const [broker = '', prefix = '', lockDuration = '5s'] = process.argv.slice(2);
const ledger = new Redis(broker);
const app = new Celeriac('limited', { broker, prefix, lockDuration });

// The server's clock is this machine's: read at once, a moment carries none of the way to the server.
app.task('limited', { rateLimit: '100/s' }, async () => {
  await ledger.rpush('limited', Date.now());
});
app.task('free', async () => {
  await ledger.rpush('free', Date.now());
});
/** Says when it is in and out, and who it is; `hold` keeps it in until the process is killed. */
async function visit(room: string, hold: boolean): Promise<void> {
  const id = currentTask()?.request.id ?? '';
  const inside = await ledger.incr(`in:${room}`);
  await ledger.rpush(`visits:${room}`, JSON.stringify({ id, inside, pid: process.pid }));
  if (hold) {
    process.send?.({ holding: id });
    await new Promise(() => setInterval(() => undefined, 1000));
  }
  await new Promise((resolve) => setTimeout(resolve, 2));
  await ledger.decr(`in:${room}`);
}
app.task('keyed', { concurrency: { limit: 2, key: (room: string) => room } }, (room: string, hold: boolean) =>
  visit(room, hold),
);
app.task('unkeyed', { concurrency: { limit: 3 } }, (room: string, hold: boolean) => visit(room, hold));

const worker = app.worker({ concurrency: 20, shutdownTimeout: '1s' });
await worker.start();
process.send?.('ready');
process.on('message', async () => {
  await app.close();
  ledger.disconnect();
  process.disconnect();
});
