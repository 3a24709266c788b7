/** A script that only calls tasks and looks at results, and says when it has come to its last line. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = ''] = process.argv.slice(2);
const app = new Celeriac('caller', { broker, prefix });
const sent = await app.sendTask('somewhere', [1]);
const { state } = await sent.snapshot();
const unknown = await app.result('my-own-id').exists();
const patience = await sent.get({ timeout: 30 }).catch((error: Error) => error.name);
console.log(JSON.stringify({ state, unknown, patience }));
