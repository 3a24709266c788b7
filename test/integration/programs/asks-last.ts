/** A script whose broker dies right after its question: `asks-last.js BROKER PREFIX PID-OF-THE-BROKER`. It closes nothing. */
import { Celeriac } from 'celeriac';

const [broker = '', prefix = '', pid = ''] = process.argv.slice(2);
const app = new Celeriac('asker', { broker, prefix });
console.log(JSON.stringify(await app.inspect().ping()));
process.kill(Number(pid), 'SIGKILL');
