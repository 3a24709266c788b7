/** A worker that runs a task and is closed: tells of it if the process lives on for long after that. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('closing', { broker, prefix });
const one = app.task('one', () => 1);
await app.worker({ concurrency: 2 }).start();
console.log(await (await one.delay()).get());
await app.close();
// Waits of ioredis' own kind take 2 s; what is under way here ends in a few milliseconds.
setTimeout(() => console.log('lives on', process.getActiveResourcesInfo()), 1000).unref();
