/** A worker that runs a task for ever, and stops when it is told to: the process must end by itself then. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('stops', { broker, prefix, migrate: true });
let begin: () => void;
const begun = new Promise<void>((resolve) => {
  begin = resolve;
});
const stuck = app.task('stuck', () => {
  begin();
  return new Promise(() => undefined);
});
const quick = app.task('quick', () => 'done');
const worker = app.worker({ concurrency: 2, shutdownTimeout: 500 });
await worker.start();
await stuck.delay();
await begun;
// With this one behind it the worker waits for the next.
await (await quick.delay()).get();
process.on('message', () => {
  void Promise.all([worker.stop(), app.close()]).then(() => process.disconnect?.());
});
process.send?.({ ready: true });
