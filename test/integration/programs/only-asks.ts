/**
 * A script that asks and steers workers, or has a worker of its own for a while, and says when it has come to its last
 * line: `only-asks.js BROKER PREFIX [own-worker]`. It closes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac } from 'celeriac';
import { partsOf } from '#src/app.js';
import { openBus } from '#src/broker/bus.js';

const [broker = '', prefix = '', how = ''] = process.argv.slice(2);
const app = new Celeriac('asker', { broker, prefix });
const hang = app.task('hang', async function () {
  await new Promise((resolve) => this.signal.addEventListener('abort', resolve));
});
const worker = how === 'own-worker' ? app.worker({ name: 'here' }) : undefined;
await worker?.start();

const events = app.events();
const first = events[Symbol.asyncIterator]().next();
const sent = await hang.delay();
while ((await sent.status) !== 'STARTED') await sleep(20);
await first;
await events[Symbol.asyncIterator]().return?.();

const pong = await app.inspect().ping();
const stats = Object.keys(await app.inspect().stats());
const active = Object.values(await app.inspect().active()).map((tasks) =>
  Array.isArray(tasks) ? tasks.length : -1,
);
const limited = Object.keys(await app.control.rateLimit('hang', '100/s'));
// Nobody stays on the bus for long between two questions: the next one joins it anew.
const bus = openBus(partsOf(app).engine, prefix, 'watcher', () => undefined);
while ((await bus.nodes()).some(({ name }) => name === 'caller')) await sleep(20);
await bus.close();
const again = Object.keys(await app.inspect({ destination: ['nobody'] }).ping());
await sent.revoke({ terminate: true });
const end = await sent.get({ timeout: '20s' }).catch((error: Error) => error.name);
await worker?.stop();
console.log(JSON.stringify({ pong, stats, active, limited, again, end }));
