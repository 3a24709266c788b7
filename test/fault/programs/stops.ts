/** A worker that runs a task for ever, and stops when it is told to: the process must end by itself then. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('stops', { broker, prefix, migrate: true });
const stuck = app.task('stuck', () => new Promise(() => undefined));
const worker = app.worker({ concurrency: 2, shutdownTimeout: 500 });
await worker.start();
await stuck.delay();
process.on('message', () => {
  void Promise.all([worker.stop(), app.close()]).then(() => process.disconnect?.());
});
process.send?.({ ready: true });
