/** `celeriac schedules …`: with the app's module, and without any code. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac, crontab, every } from 'celeriac';
import { project, runCli, startCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';

const TASKS = {
  'package.json': '{ "type": "module" }',
  'tasks.mjs': `
import { Celeriac, crontab } from 'celeriac';
export const app = new Celeriac('reports');
app.task('tidy', { schedule: crontab('0 9 * * 1-5', { timezone: 'Europe/Rome' }) }, () => 'tidied');
`,
};

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

/** Commands of a user who has nothing but the broker's address. */
function place(t: TestContext) {
  const prefix = `cli-${randomUUID()}`;
  const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix };
  const app = new Celeriac(prefix, { broker: redis.url });
  t.after(() => app.close());
  return {
    app,
    env,
    run: (...args: string[]) => runCli(['schedules', ...args], { cwd: tmpdir(), env }),
  };
}

describe('celeriac schedules', () => {
  it('adds and changes schedules from flags, and refuses what cannot be', async (t) => {
    const { app, run } = place(t);
    const added = await run(
      'add',
      'hourly',
      '--task',
      'beat',
      '--every',
      '1h',
      '--aligned',
      '--jitter',
      '10s',
    );
    assert.match(added.stdout, /^hourly: every 1h aligned, up to 10s later, next run \S+:00:00\.000Z\n$/);
    const twice = await run('add', 'hourly', '--task', 'beat', '--every', '1h');
    assert.equal(twice.code, 1);
    assert.match(twice.stderr, /schedule "hourly" already/);
    const changed = await run('set', 'hourly', '--args', '["acme"]', '-q', 'light', '--catch-up', 'none');
    assert.match(changed.stdout, /^hourly: every 1h aligned, up to 10s later, missed ones: none, next run/);
    const entry = await app.schedules.get('hourly');
    assert.deepEqual([entry?.args, entry?.options, entry?.task], [['acme'], { queue: 'light' }, 'beat']);
    assert.match(
      (await run('set', 'hourly', '--at', '2099-01-01T00:00:00Z')).stdout,
      /at 2099-01-01T00:00:00Z/,
    );
    for (const [words, why] of [
      [['add', 'x', '--every', '1h'], /--task is missing/],
      [['add', 'x', '--task', 'beat'], /--every, --cron or --at/],
      [['add', 'x', '--task', 'beat', '--every', '1h', '--cron', '* * * * *'], /--every and --cron/],
      [['add', 'x', '--task', 'beat', '--cron', '61 * * * *'], /61/],
      [['add', 'x', '--task', 'beat', '--every', '1h', '--catch-up', 'some'], /'last', 'all' or 'none'/],
    ] as const) {
      const refused = await run(...words);
      assert.equal(refused.code, 2, words.join(' '));
      assert.match(refused.stderr, why);
    }
    assert.equal((await run('set', 'nobody', '--every', '1h')).code, 1);
    assert.match((await run('history', 'hourly')).stderr, /has not ticked yet/);
    assert.deepEqual(
      (await app.schedules.list()).map(({ name }) => name),
      ['hourly'],
    );
  });

  it('lists, shows, pauses, resumes, runs and removes without any code', async (t) => {
    const { app, run } = place(t);
    const none = await run('list');
    assert.deepEqual([none.code, none.stdout], [0, '']);
    assert.match(none.stderr, /has no schedules/);
    const { nextRunAt } = await app.schedules.upsert({
      name: 'nightly',
      schedule: crontab('0 3 * * *', { timezone: 'Europe/Rome' }),
      task: 'report',
      args: ['acme', { full: true }],
      options: { queue: 'reports' },
    });
    await app.schedules.upsert({ name: 'often', schedule: every('90s'), task: 'beat' });
    const listed = await run('list');
    assert.match(listed.stdout, /^NAME +SCHEDULE +TASK +NEXT RUN +LAST RUN\n/);
    assert.ok(listed.stdout.includes(`0 3 * * * Europe/Rome  report  ${nextRunAt?.toISOString()}`));
    assert.match(listed.stdout, /often +every 90s +beat /);
    assert.equal(
      (await run('list', '--json')).stdout,
      `${JSON.stringify(await app.schedules.list(), null, 2)}\n`,
    );
    const shown = await run('get', 'nightly');
    assert.match(shown.stdout, /args +acme, \{"full":true\}\noptions +\{"queue":"reports"\}\n/);
    const paused = await run('pause', 'nightly');
    assert.deepEqual([paused.code, paused.stdout], [0, 'nightly: paused\n']);
    assert.equal((await app.schedules.get('nightly'))?.paused, true);
    const resumed = await run('resume', 'nightly', '--json');
    assert.equal(JSON.parse(resumed.stdout).nextRunAt, nextRunAt?.toISOString());
    const sent = await run('run-now', 'nightly');
    const snapshot = await app.result(sent.stdout.trim()).snapshot();
    assert.deepEqual(
      [snapshot.name, snapshot.queue, snapshot.args],
      ['report', 'reports', ['acme', { full: true }]],
    );
    const unasked = await run('remove', 'nightly');
    assert.equal(unasked.code, 2);
    assert.match(unasked.stderr, /Remove the schedule "nightly"\?.*add --yes/);
    const removed = await run('remove', 'nightly', '--yes');
    assert.deepEqual([removed.code, removed.stdout], [0, 'nightly: removed\n']);
    const again = await run('remove', 'nightly', '--yes', '--json');
    assert.deepEqual([again.code, again.stdout], [0, 'false\n']);
  });

  it('fails for names that nobody knows', async (t) => {
    const { run } = place(t);
    for (const command of ['get', 'pause', 'resume', 'run-now']) {
      const { code, stdout, stderr } = await run(command, 'nothing');
      assert.match(stderr, /^celeriac: [tT]here is no schedule "nothing"/);
      assert.deepEqual([code, stdout], [1, '']);
    }
    assert.equal((await run('get')).code, 2);
  });

  it('sees what a worker declares, and its app with -A', async (t) => {
    const { app, env } = place(t);
    const cwd = project(t, TASKS);
    await startCli(t, ['-A', 'tasks', 'worker'], { cwd, env }).printed(/ready/);
    assert.equal((await app.schedules.get('tidy'))?.task, 'tidy');
    const { stdout } = await runCli(['-A', 'tasks', 'schedules', 'get', 'tidy'], { cwd, env });
    assert.match(stdout, /schedule +0 9 \* \* 1-5 Europe\/Rome\n/);
  });
});
