/** Programs that users might bundle, or run on another runtime: each prints what it found, and ends by itself. */
import type { ProjectFiles } from './cli.js';

/** Standard decorators, which every compiler and bundler lowers by itself. */
const SERVICES = `
import { IsString } from 'class-validator';
import { Celeriac, Task, TaskService, chain } from 'celeriac';

export class Letter { to!: string; }
IsString()(Letter.prototype, 'to');

export const app = new Celeriac('shop', { broker: process.env.BROKER!, prefix: process.env.PREFIX!, lockDuration: '2s', migrate: process.env.MIGRATE !== undefined });
export class Mail extends TaskService {
  @Task('welcome')
  async welcome(to: string): Promise<string> { return 'to ' + to; }
  @Task('send', { args: [Letter] })
  async send(letter: Letter): Promise<boolean> { return letter instanceof Letter; }
  @Task('slow')
  async slow(): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 5000));
    return ++slowRuns;
  }
}
let slowRuns = 0;
export const mail = app.register(new Mail());
export { chain };
`;

/** Calls a task that nobody runs yet. */
const CALL = `
import { app, mail } from './services';
async function main() {
  const { id } = await mail.welcome.delay('ada');
  console.log(/@celeriac$/.test(id) ? 'accepted' : id);
  await app.close();
}
void main();
`;

/** Works: plainly, in a chain, with a DTO, for longer than a lock lasts, and shows its metrics. */
const WORK = `
import { app, chain, mail } from './services';
async function main() {
  const worker = app.worker({ health: { port: 0 } });
  await worker.start();
  const slow = await mail.slow.delay();
  console.log('plain', await (await mail.welcome.delay('ada')).get());
  console.log('chain', await (await chain(mail.welcome.s('bob'), mail.welcome.s()).delay()).get());
  console.log('dto', await (await mail.send.delay({ to: 'eve' })).get());
  console.log('runs', await slow.get());
  const metrics = await fetch('http://127.0.0.1:' + worker.healthPort + '/metrics');
  console.log('metrics', metrics.status);
  await app.close();
}
main().catch((error) => { console.log(error); process.exitCode = 1; });
`;

/** What {@link WORK} prints, besides log lines. */
export const WORKED = ['plain to ada', 'chain to to bob', 'dto true', 'runs 1', 'metrics 200'];

/** Asks for what needs files of the package that are no part of a bundle. */
const REFUSED = `
import { Celeriac } from 'celeriac';
import { app } from './services';
async function main() {
  const module = process.argv[1]!;
  await app.worker({ pool: 'threads', module }).start().catch((error) => console.log(error.message));
  await app.worker({ processes: 2, module }).start().catch((error) => console.log(error.message));
  const embedded = new Celeriac('shop', { broker: 'memory://' });
  await embedded.worker().start().catch((error) => console.log(error.message));
  process.exit();
}
void main();
`;

/** The sources, in a package of that type. */
export const sources = (type: 'module' | 'commonjs'): ProjectFiles => ({
  'package.json': JSON.stringify({ type }),
  'services.ts': SERVICES,
  'call.ts': CALL,
  'work.ts': WORK,
  'refused.ts': REFUSED,
});
