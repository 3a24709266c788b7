/** A worker process of a fleet: `[broker, prefix, name, queue…]`. Tells its node name once it is ready. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = '', name = 'celeriac@%h', ...queues] = process.argv.slice(2);
const app = new Celeriac('fleet', { broker, prefix, lockDuration: '2s', publishRetry: '60s' });
app.task('hang', () => new Promise<never>(() => undefined));
app.task('double', (n: number) => n * 2);

const worker = app.worker({
  name,
  concurrency: 2,
  shutdownTimeout: '1s',
  ...(queues.length > 0 && { queues }),
});
await worker.start();
process.send?.({ node: worker.node, pid: process.pid });
process.on('message', async () => {
  await app.close();
  process.disconnect();
});
