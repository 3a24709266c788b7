/** Answers an order from another process. Takes the task's id, who answers, and `no` for a refusal. */
import { Celeriac } from 'celeriac';

const [, , id = '', by = 'somebody', answer = 'yes'] = process.argv;
// No code of the worker is needed: the name of the app and the broker are enough.
const app = new Celeriac('orders', { broker: process.env.CELERIAC_BROKER_URL ?? 'redis://127.0.0.1:6379/0' });
console.log(await app.result(id).send('approval', { by, approved: answer === 'yes' }));
await app.close();
