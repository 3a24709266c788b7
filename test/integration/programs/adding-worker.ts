/**
 * A worker whose task adds a member to its group, says so, and never ends: `adding-worker.js BROKER PREFIX`. Lives until it
 * is killed.
 */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('adding', { broker, prefix, lockDuration: '1s' });
const { five } = app.tasks<{ five(): number }>()({ five: { name: 'five', queue: 'later' } });
app.task('grow', async function () {
  await this.addToGroup(five.s());
  process.send?.('added');
  await new Promise(() => undefined);
});
await app.worker({ queues: ['celeriac'] }).start();
