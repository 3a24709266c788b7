/**
 * A worker with a task that holds up the event loop: for `first` ms on its first delivery, for `later` ms on others.
 * Says when it begins, and when its signal aborts. Arguments: broker, prefix, app options.
 */
import { Celeriac, type CeleriacOptions } from 'celeriac';

const [broker = '', prefix = '', options = '{}'] = process.argv.slice(2);
const app = new Celeriac('blocking', { broker, prefix, ...(JSON.parse(options) as CeleriacOptions) });

app.task('block', async function (first: number, later?: number) {
  const { deliveries } = this.request;
  this.signal.addEventListener('abort', () => process.send?.({ aborted: String(this.signal.reason) }));
  // The message leaves before the loop stands still.
  await new Promise((sent) => process.send?.({ blocking: deliveries }, sent));
  const blockMs = deliveries === 1 ? first : (later ?? first);
  // Nothing wakes it: the loop stands still, and leaves the processor to others.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return process.pid;
});

await app.worker({ concurrency: 2 }).start();
process.send?.({ ready: true });
