/**
 * A worker as process 1, as in a container: the kernel does nothing about signals there that nobody handles, and every
 * worker of a fleet has the same process id.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from '#src/index.js';
import { until, within } from '../support/app.js';
import { CLI_PATH, project, RunningCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const NAMESPACE = ['--user', '--map-root-user', '--fork', '--pid', '--mount-proc', '--kill-child'];
const skip =
  spawnSync('unshare', [...NAMESPACE, 'true']).status === 0 ? false : 'no namespaces may be made here';

const TASKS = `
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac } from 'celeriac';
export const app = new Celeriac('one', { lockDuration: '1s' });
app.task('pid', async () => process.pid);
app.task('nap', async (ms) => {
  await sleep(ms);
  return 'rested';
});
app.task('die', { maxDeliveries: 1 }, async () => process.kill(process.pid, 'SIGKILL'));
`;
const SLOW = `export { app } from './tasks.js';
console.log('loading');
await new Promise((resolve) => setTimeout(resolve, 60_000));
`;

describe('A worker as process 1', { skip, timeout: 280_000 }, () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.close());

  /** Programs in namespaces of their own. The signals come from outside, as those of `docker stop`. */
  function site(t: TestContext) {
    const cwd = project(t, { 'package.json': '{ "type": "module" }', 'tasks.js': TASKS, 'slow.js': SLOW });
    const prefix = `one-${randomUUID()}`;
    const app = new Celeriac('one', { broker: redis.url, prefix });
    t.after(() => app.close());
    const env = { ...process.env, CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix };
    const contained = (module: string, ...flags: string[]) => {
      const command = [process.execPath, CLI_PATH, '-A', module, 'worker', '-c', '2', ...flags];
      const child = spawn('unshare', [...NAMESPACE, ...command], { cwd, env });
      t.after(() => child.kill('SIGKILL'));
      const running = new RunningCli(child);
      const signal = (name: NodeJS.Signals) => {
        const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
        process.kill(Number(children.split(' ')[0]), name);
      };
      return { running, signal };
    };
    return { app, contained };
  }

  for (const flags of [[], ['--processes', '2'], ['-P', 'threads']])
    it(`ends warmly at SIGTERM, with 0 (worker ${flags.join(' ')})`, async (t) => {
      const { app, contained } = site(t);
      const { running, signal } = contained('tasks', ...flags);
      await running.printed(/ready/);
      const pid = await (await app.sendTask('pid')).get({ timeout: '30s' });
      assert.equal(pid === 1, !flags.includes('--processes'));
      const nap = await app.sendTask('nap', [1500]);
      await until(async () => (await nap.status) === 'STARTED', 'its start');
      signal('SIGTERM');
      assert.equal((await within(running.ended, 'its end')).code, 0);
      assert.equal(await nap.get({ timeout: '1s' }), 'rested');
    });

  it('ends at SIGTERM, with 0, while the app still loads', async (t) => {
    const { running, signal } = site(t).contained('slow');
    await running.printed(/loading/);
    signal('SIGTERM');
    assert.equal((await within(running.ended, 'its end')).code, 0);
  });

  it('is told apart from others that are process 1 on a host of the same name', async (t) => {
    const { app, contained } = site(t);
    const both = [contained('tasks'), contained('tasks')];
    await Promise.all(both.map(({ running }) => running.printed(/ready/)));
    assert.equal(Object.keys(await app.inspect({ timeout: '5s' }).ping()).length, 2);
    const ids = await Promise.all(Array.from({ length: 40 }, () => app.sendTask('nap', [20])));
    for (const result of ids) assert.equal(await result.get({ timeout: '30s' }), 'rested');
    for (const { signal } of both) signal('SIGTERM');
    for (const { running } of both) assert.equal((await within(running.ended, 'its end')).code, 0);
  });

  it('replaces a process of its own that died', async (t) => {
    const { app, contained } = site(t);
    const { running, signal } = contained('tasks', '--processes', '2');
    await running.printed(/ready/);
    await app.sendTask('die');
    await running.printed(/worker process died/);
    await until(async () => {
      const [stats] = Object.values(await app.inspect().stats());
      return stats !== undefined && 'processes' in stats && stats.processes?.length === 2;
    }, 'two processes again');
    assert.equal(await (await app.sendTask('nap', [1])).get({ timeout: '30s' }), 'rested');
    signal('SIGTERM');
    assert.equal((await within(running.ended, 'its end')).code, 0);
  });
});
