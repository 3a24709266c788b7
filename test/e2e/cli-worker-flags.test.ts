/** What the flags of `celeriac worker` do to the worker, seen from outside. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from '#src/index.js';
import { until } from '../support/app.js';
import { project, runCli, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const TASKS = `
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Celeriac } from 'celeriac';
export const app = new Celeriac('flags');
app.task('note', async function () {
  appendFileSync('ledger', this.request.queue + '\\n');
  await sleep(5);
});
app.task('polite', async function () {
  await new Promise((_, reject) => this.signal.addEventListener('abort', () => reject(this.signal.reason)));
});
app.task('deaf', () => new Promise(() => undefined));
app.task('own', { timeLimit: '1m' }, async () => {
  while (!existsSync('finish')) await sleep(5);
  return 'in time';
});
`;

let redis: RedisServer;
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

/** What `ps` shows of a process. */
function titleOf(pid: number | undefined): string {
  return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim();
}

function site(t: TestContext) {
  const cwd = project(t, { 'package.json': '{ "type": "module" }', 'tasks.js': TASKS });
  const prefix = `flags-${randomUUID()}`;
  const app = new Celeriac('flags', { broker: redis.url, prefix });
  t.after(() => app.close());
  const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix, CELERIAC_APP: 'tasks' };
  return {
    app,
    cwd,
    worker: (...args: string[]) => startCli(t, ['worker', ...args], { cwd, env }),
    json: async (...args: string[]) => JSON.parse((await runCli([...args, '--json'], { cwd, env })).stdout),
    /** Nothing until the first task has run. */
    ledger: () =>
      existsSync(join(cwd, 'ledger')) ? readFileSync(join(cwd, 'ledger'), 'utf8').trim().split('\n') : [],
  };
}

describe('the flags of celeriac worker', { timeout: 280_000 }, () => {
  it('-b and --prefix beat the code; --workdir, --logfile, --pidfile and --quiet are for services', async (t) => {
    const cwd = project(t, {
      'package.json': '{ "type": "module" }',
      'tasks.js': TASKS.replace("'flags'", "'flags', { broker: 'redis://127.0.0.1:1', prefix: 'in-code' }"),
    });
    const prefix = `flags-${randomUUID()}`;
    await using app = new Celeriac('flags', { broker: redis.url, prefix });
    const shared = ['-A', 'tasks', '-b', redis.url, '--prefix', prefix, '--workdir', cwd, '--quiet'];
    const flags = ['--logfile', '%n.log', '--pidfile', '%n.pid', '-n', 'service@test', '-c', '4'];
    const running = startCli(t, ['worker', ...shared, ...flags]);
    const log = () =>
      existsSync(join(cwd, 'service.log')) ? readFileSync(join(cwd, 'service.log'), 'utf8') : '';
    await until(() => /ready: 4 tasks/.test(log()), 'a ready worker');
    assert.equal(readFileSync(join(cwd, 'service.pid'), 'utf8'), `${running.pid}\n`);
    assert.match(titleOf(running.pid), /^celeriac worker service@test \(4 slots\)$/);
    const held = await app.sendTask('deaf');
    await until(async () => (await held.status) === 'STARTED', 'a running task');
    const [second, none, status] = await Promise.all([
      runCli(['worker', ...shared, ...flags]),
      runCli(['result', 'nobody', ...shared]),
      runCli(['status', ...shared, '--json']),
    ]);
    assert.match(
      second.stderr,
      new RegExp(`service\\.pid belongs to process ${running.pid}, which is alive`),
    );
    assert.deepEqual([second.code, second.stdout], [1, '']);
    assert.deepEqual([none.code, none.stdout, none.stderr], [1, '', '']);
    assert.deepEqual(JSON.parse(status.stdout), { 'service@test': 'pong' });
    running.kill('SIGQUIT');
    const { code, stdout, stderr } = await running.ended;
    assert.deepEqual([code, stdout, stderr], [1, '', '']);
    assert.equal(await held.status, 'PENDING', 'it is handed back');
    assert.match(log(), /SIGQUIT: handing back what runs/);
    assert.equal(existsSync(join(cwd, 'service.pid')), false);
  });

  it('-Q and -X, -n, --autoscale and -P are what inspect shows of it', async (t) => {
    const { worker, json } = site(t);
    const flags = ['-Q', 'mail=2,reports,slow', '-X', 'slow', '-n', 'flags@%h', '--autoscale', '6,2'];
    await worker(...flags).printed(/concurrency +2 to 6 \(async\)[\s\S]*ready/);
    const node = `flags@${hostname()}`;
    assert.deepEqual(Object.keys(await json('inspect', 'ping')), [node]);
    const queues = (await json('inspect', 'active-queues'))[node].map(({ name }: { name: string }) => name);
    assert.deepEqual(queues, ['mail', 'reports']);
    const { worker: conf } = (await json('inspect', 'conf'))[node];
    assert.deepEqual(conf.weights, { mail: 2, reports: 1 });
    assert.equal((await json('inspect', 'stats'))[node].concurrency, 2);
  });

  it('-Q mail=2,reports starts two of mail for each of reports, and starves neither', async (t) => {
    const { app, worker, ledger } = site(t);
    for (const queue of ['mail', 'reports'])
      await Promise.all(Array.from({ length: 90 }, () => app.sendTask('note', [], { queue })));
    await worker('-Q', 'mail=2,reports', '-c', '1', '-l', 'warn').printed(/ready/);
    await until(() => ledger().length === 180, 'all of them');
    const mail = (from: number) =>
      ledger()
        .slice(from, from + 30)
        .filter((queue) => queue === 'mail').length;
    for (const from of [10, 40, 70]) assert.ok(Math.abs(mail(from) - 20) <= 2, `${mail(from)} of 30`);
  });

  it('--autoscale grows with the load', async (t) => {
    const { app, worker, json } = site(t);
    await worker('--autoscale', '6,1').printed(/ready/);
    for (let n = 0; n < 6; n++) await app.sendTask('deaf');
    await until(async () => Object.values(await json('inspect', 'active')).flat().length === 6, 'all six');
  });

  it('--soft-time-limit and --time-limit hold for tasks that have none of their own', async (t) => {
    const { app, cwd, worker } = site(t);
    await worker('-c', '4', '--soft-time-limit', '300ms', '--time-limit', '800ms').printed(/ready/);
    const own = await app.sendTask('own');
    await until(async () => (await own.status) === 'STARTED', 'its start');
    // These begin later: by their ends, the limits have passed for the one that is to outlast them.
    const [polite, deaf] = [await app.sendTask('polite'), await app.sendTask('deaf')];
    await assert.rejects(polite.get({ timeout: '20s' }), { errorName: 'SoftTimeLimitExceeded' });
    await assert.rejects(deaf.get({ timeout: '20s' }), { errorName: 'TimeLimitExceeded' });
    writeFileSync(join(cwd, 'finish'), '');
    assert.equal(await own.get({ timeout: '20s' }), 'in time');
  });

  it('--shutdown-timeout is when what still runs is handed back, to run elsewhere', async (t) => {
    const { app, worker } = site(t);
    const running = worker('--shutdown-timeout', '300ms');
    await running.printed(/ready/);
    const result = await app.sendTask('deaf');
    await until(async () => (await result.status) === 'STARTED', 'its start');
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
    const { state, retries } = await result.snapshot();
    assert.deepEqual({ state, retries }, { state: 'PENDING', retries: 0 });
    const other = worker();
    await until(async () => (await result.status) === 'STARTED', 'its start elsewhere');
    other.kill('SIGKILL');
  });
});
