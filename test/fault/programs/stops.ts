/** A worker that runs a task for ever, and stops when it is told to: the process must end by itself then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac } from 'celeriac';

/** Long after its task has begun, the worker waits for the next. */
const SETTLED_MS = 500;

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
const worker = app.worker({ concurrency: 2, shutdownTimeout: 500 });
await worker.start();
await stuck.delay();
await begun;
await sleep(SETTLED_MS);
process.on('message', () => {
  void Promise.all([worker.stop(), app.close()]).then(() => process.disconnect?.());
});
process.send?.({ ready: true });
