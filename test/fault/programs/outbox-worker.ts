/** A worker that notes what it begins in a file: `outbox-worker.js BROKER PREFIX FILE`. */
import { appendFileSync } from 'node:fs';
import { Celeriac } from 'celeriac';

const [broker = '', prefix = '', file = ''] = process.argv.slice(2);
const nothing = () => undefined;
const app = new Celeriac('test', {
  broker,
  prefix,
  publishRetry: '20s',
  logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
});
app.task('note', function (n: number) {
  appendFileSync(file, `${n} ${this.request.deliveries}\n`);
});
await app.worker({ concurrency: 20, shutdownTimeout: '1s' }).start();
process.send?.('ready');
