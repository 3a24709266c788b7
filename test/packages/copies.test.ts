/** What an installation holds: each package once, and a second copy of this one where a library brought its own. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { install, projectWith, ran, unpacked } from '../support/installed.js';
import { startRedis } from '../support/redis.js';

/** Each costs somebody an audit: one more needs a reason. */
const MOST_PACKAGES = 41;

it('An installation has every package once, and not many', async () => {
  const lock = readFileSync(join(dirname(await install({})), 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { optional?: boolean; os?: string[] }>;
  };
  const paths = Object.keys(packages).filter((path) => path !== '');
  const names = paths.map((path) => path.replace(/^.*node_modules\//, ''));
  assert.deepEqual(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  );
  const present = readdirSync(await install({})).filter((name) => !name.startsWith('.'));
  assert(present.length <= MOST_PACKAGES, `${present.length} packages: ${present.join(' ')}`);
});

const LIBRARY = `
import { Task, TaskService } from 'celeriac';
export class Reports extends TaskService {
  async report() {
    await this.updateState('PROGRESS', { half: true });
    if (this.request.retries === 0) throw this.retry({ countdown: 1 });
    return 'done after ' + this.request.retries + ' retry';
  }
}
const report = Object.getOwnPropertyDescriptor(Reports.prototype, 'report');
const options = { maxRetries: 1 };
Object.defineProperty(Reports.prototype, 'report', Task('report', options)(Reports.prototype, 'report', report) ?? report);
`;
const MAIN = `
import { Celeriac } from 'celeriac';
import { Reports } from 'library';
const app = new Celeriac('shop', { broker: process.env.BROKER });
const reports = app.register(new Reports());
await app.worker().start();
console.log(await (await reports.report.delay()).get());
await app.close();
`;

it('A service of a library with a copy of its own finds its running call', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.close());
  const celeriac = await unpacked(t);
  const folder = await projectWith(t, celeriac, {
    'package.json': '{ "type": "module" }',
    'main.js': MAIN,
    'node_modules/library/package.json': '{ "name": "library", "type": "module", "exports": "./index.js" }',
    'node_modules/library/index.js': LIBRARY,
  });
  cpSync(celeriac, join(folder, 'node_modules/library/node_modules/celeriac'), { recursive: true });
  const main = await ran(process.execPath, ['main.js'], { cwd: folder, env: { BROKER: redis.url } });
  assert.match(main.output, /^done after 1 retry$/m);
  assert.equal(main.code, 0);
});
