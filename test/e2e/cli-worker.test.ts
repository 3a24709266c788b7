/** `celeriac worker` as it is started and stopped in a terminal, and steered from a second one. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac } from '#src/index.js';
import { until, within } from '../support/app.js';
import { project, runCli, startCli } from '../support/cli.js';
import { TASKS } from '../support/cli-project.js';
import { terminals as openTerminals } from '../support/cli-terminals.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { freePort } from '../support/servers.js';

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

const terminals = (t: TestContext, broker = redis.url) => openTerminals(t, broker);

/** Sends a task that sleeps so long, and waits until it runs. @returns its id */
async function sleeping(prefix: string, ms: number, taskId: string = randomUUID()): Promise<string> {
  await using app = new Celeriac('reports', { broker: redis.url, prefix });
  await app.sendTask('sleep', [ms], { taskId });
  const running = async () => {
    const [active] = Object.values(await app.inspect().active());
    return Array.isArray(active) && active.length === 1;
  };
  await until(running, 'a task that runs', 60_000);
  return taskId;
}

describe('celeriac worker', () => {
  it('shows a banner, says that it is ready, runs tasks, and exits 0 on SIGTERM', async (t) => {
    const { worker, run } = terminals(t);
    const running = worker('-c', '4', '-n', 'w@test', '-Q', 'celeriac=2,mail');
    await running.printed(/ready/);
    for (const part of [
      /w@test/,
      /app +reports/,
      /queues +celeriac=2, mail/,
      /concurrency +4 \(async\)/,
      /· report/,
    ]) {
      assert.match(running.output, part);
    }
    assert.match(
      (await run('call', 'report', '-a', '["7"]', '--wait')).stdout,
      /^Report 7 generated, 1 so far\.\n$/,
    );
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('lets a running task finish at SIGINT, and ignores further SIGTERMs', async (t) => {
    const { worker, run, prefix } = terminals(t);
    const running = worker('-c', '1');
    await running.printed(/ready/);
    const id = await sleeping(prefix, 4000);
    running.kill('SIGINT');
    await running.printed(
      /warm shutdown, 1 task is running and has 30s to finish; Ctrl-C once more hands it back at once\n/,
    );
    running.kill('SIGTERM');
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
    assert.match((await run('result', id)).stdout, /state +SUCCESS/);
  });

  it('lets a running task finish when its terminal is closed', async (t) => {
    const { worker, run, prefix } = terminals(t);
    const running = worker('-c', '1');
    await running.printed(/ready/);
    const id = await sleeping(prefix, 4000);
    running.kill('SIGHUP');
    assert.equal((await running.ended).code, 0);
    assert.match((await run('result', id)).stdout, /state +SUCCESS/);
  });

  it('hands running tasks back at the second SIGINT, still with exit code 0', async (t) => {
    const { worker, json, prefix } = terminals(t);
    const first = worker('-c', '1');
    await first.printed(/ready/);
    // Longer than the shutdown timeout and the test's: nothing but the hand-back lets it end.
    const id = await sleeping(prefix, 3_600_000);
    first.kill('SIGINT');
    await first.printed(/warm shutdown/);
    first.kill('SIGINT');
    assert.equal((await first.ended).code, 0);
    assert.match(first.output, /Task sleep\[.*\] handed back after/);
    assert.equal((await json('result', id)).state, 'PENDING');
  });

  it('takes its concurrency from a second terminal, without a restart', async (t) => {
    const { worker, run, json, prefix } = terminals(t);
    const running = worker('-c', '4', '-n', 'w@test');
    await running.printed(/ready/);
    await using app = new Celeriac('reports', { broker: redis.url, prefix });
    await Promise.all(Array.from({ length: 8 }, () => app.sendTask('sleep', [3_600_000])));
    const before = await json('inspect', 'active');
    assert.equal(before['w@test'].length, 4);
    const told = await run('control', 'add-consumer', '-Q', 'celeriac', '-c', '8');
    assert.match(told.stdout, /^w@test: .*8 slots/);
    const active = await json('inspect', 'active');
    assert.equal(active['w@test'].length, 8);
    const ids = (tasks: { id: string }[]) => tasks.map(({ id }) => id);
    assert.ok(ids(before['w@test']).every((id) => ids(active['w@test']).includes(id)));
    assert.equal((await json('inspect', 'stats'))['w@test'].running, 8);
  });

  it('stops by remote control, with exit code 0', async (t) => {
    const { worker, run } = terminals(t);
    const running = worker();
    await running.printed(/ready/);
    assert.equal((await run('control', 'shutdown')).code, 0);
    assert.equal((await running.ended).code, 0);
    assert.equal((await run('status')).code, 69);
  });

  it('shows the name that it got where another worker has the one it wants, and says so', async (t) => {
    const { worker } = terminals(t);
    await worker('-n', 'w@test').printed(/ready/);
    const second = worker('-n', 'w@test');
    await second.printed(/ready/);
    assert.match(second.output, / w@test-2\n/);
    assert.doesNotMatch(second.output, / w@test\n/);
    assert.match(
      second.output,
      /WARNING\/w\] a worker called "w@test" is online already: this one is "w@test-2"\n/,
    );
  });

  it('logs in sentences what its tasks do, with the stack of those that fail', async (t) => {
    const { worker, run } = terminals(t);
    const running = worker('-c', '4', '-n', 'w@test');
    await running.printed(/ready/);
    await run('call', 'report', '-a', '["7"]', '--task-id', 'mine');
    await running.printed(/: INFO\/w\] Task report\[mine\] succeeded in \d\.\d+s\n/);
    await run('call', 'fail', '--task-id', 'bad');
    await running.printed(
      /: ERROR\/w\] Task fail\[bad\] failed in .*: RangeError: no such report\n {4}at .*\n/,
    );
    assert.match(running.output, /at ReportService\.fail \(.*src\/tasks\.ts:26:/);
    assert.doesNotMatch(running.output, /execute\.(js|ts)/);
    assert.equal(running.output.match(/ready/g)?.length, 1);
  });

  it('logs what is running on SIGUSR1', async (t) => {
    const { worker, prefix } = terminals(t);
    const running = worker('-c', '4', '-n', 'w@test');
    await running.printed(/ready/);
    running.kill('SIGUSR1');
    await running.printed(/no task is running\n/);
    await sleeping(prefix, 3_600_000, 'long');
    running.kill('SIGUSR1');
    await running.printed(
      /1 task is running:\n.*Task sleep\[long\] has been running for .* queue=celeriac\n/,
    );
  });

  it('says that it lost the broker and has it back, and goes on', async (t) => {
    const server = await startRedis(['--appendonly', 'yes']);
    t.after(() => server.close());
    const { worker, json } = terminals(t, server.url);
    const running = worker();
    await running.printed(/ready/);
    await server.stop();
    await running.printed(/ERROR.*lost the connection to the broker at redis:\/\/127\.0\.0\.1/);
    await server.start();
    await running.printed(/WARNING.*is back away=/);
    assert.equal(await json('call', 'sleep', '-a', '[5]', '--wait'), 5);
  });

  it('says where no broker answers, keeps trying, and begins when there is one', async (t) => {
    const port = await freePort();
    const { worker } = terminals(t, `redis://user:secret@127.0.0.1:${port}/0`);
    const running = worker();
    await running.printed(new RegExp(`ERROR.*127\\.0\\.0\\.1:${port}.*Trying again`), { times: 2 });
    assert.ok(!running.output.includes('secret'));
    running.kill('SIGINT');
    assert.equal((await running.ended).code, 0);
  });

  it('begins as soon as the broker is there', async (t) => {
    const late = await startRedis();
    t.after(() => late.close());
    await late.stop();
    const running = terminals(t, late.url).worker();
    await running.printed(/Trying again/);
    await late.start();
    await running.printed(/ready/);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('exits 0 on a signal that comes while the app still loads', async (t) => {
    const cwd = project(t, {
      'package.json': '{ "type": "module" }',
      'slow.js': `console.log('loading'); await new Promise((resolve) => setTimeout(resolve, 60_000));`,
    });
    const running = startCli(t, ['-A', 'slow', 'worker'], { cwd });
    await running.printed(/loading/);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('answers how it is on --health-port, from before there is a broker', async (t) => {
    const port = await freePort();
    const { worker } = terminals(t, `redis://127.0.0.1:${await freePort()}/0`);
    const running = worker('--health-port', `${port}`);
    await running.printed(new RegExp(`health: http://127\\.0\\.0\\.1:${port}/live /ready /metrics`));
    assert.equal((await fetch(`http://127.0.0.1:${port}/live`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${port}/ready`)).status, 503);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
    const { code, stderr } = await worker('--health-host', '0.0.0.0').ended;
    assert.equal(code, 2);
    assert.match(stderr, /--health-host: on which port/);
  });

  it('remarks on limits of children where it has none', async (t) => {
    const { worker } = terminals(t);
    const running = worker('--max-tasks-per-child', '5');
    await running.printed(/WARNING.*maxTasksPerChild.* has neither[\s\S]*ready/);
    running.kill('SIGTERM');
    assert.equal((await running.ended).code, 0);
  });

  it('logs JSON lines, and no banner, with --log-format json', async (t) => {
    const { worker, run } = terminals(t);
    const running = worker('--log-format', 'json', '-n', 'w@test');
    await running.printed(/ready/);
    await run('call', 'report', '-a', '["7"]', '--task-id', 'mine');
    await running.printed(/task succeeded/);
    running.kill('SIGTERM');
    const { stdout } = await running.ended;
    const [, ...lines] = stdout.trim().split('\n');
    const entries = lines.map((line) => JSON.parse(line));
    assert.ok(entries.every(({ node }) => node === 'w@test'));
    const { level, task, taskId } = entries.find(({ message }) => message === 'task succeeded');
    assert.deepEqual({ level, task, taskId }, { level: 'info', task: 'report', taskId: 'mine' });
  });

  it('works on, and ends with 0, though nobody reads its log any more', async (t) => {
    for (const flags of [[], ['--processes', '2']]) {
      const { worker, run } = terminals(t);
      const running = worker('-c', '1', ...flags);
      await running.printed(/ready/);
      running.stopReading();
      for (const id of ['7', '8'])
        assert.match(
          (await run('call', 'report', '-a', `["${id}"]`, '--wait', '--timeout', '30s')).stdout,
          /^Report/,
        );
      running.kill('SIGTERM');
      assert.equal((await within(running.ended, 'its end')).code, 0);
    }
  });

  it('ends warmly with exit code 1 after an exception outside any task', async (t) => {
    const cwd = project(t, {
      ...TASKS,
      'stray.ts': `export { app } from './src/tasks.js';\nsetTimeout(() => { throw new Error('stray'); }, 3000);`,
    });
    const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: `cli-${randomUUID()}` };
    const { code, stdout } = await startCli(t, ['-A', 'stray', 'worker'], { cwd, env }).ended;
    assert.match(stdout, /ERROR.*an exception outside any task.*stray/);
    assert.equal(code, 1);
  });
});

describe('other commands', () => {
  it('print exactly one JSON document on stdout, whatever the module prints', async (t) => {
    const { worker, json, run } = terminals(t);
    const running = worker('-n', 'w@test');
    await running.printed(/ready/);
    assert.deepEqual(await json('status'), { 'w@test': 'pong' });
    assert.deepEqual(await json('control', 'ping'), { 'w@test': 'pong' });
    assert.deepEqual(await json('list'), { 'w@test': ['fail', 'hang', 'report', 'sleep'] });
    assert.equal(await json('call', 'sleep', '-a', '[5]', '--wait'), 5);
    const { id } = await json('call', 'sleep', '-a', '[5]', '--task-id', 'mine');
    assert.equal(id, 'mine');
    assert.match((await run('result', 'mine', '--follow')).stdout, /state +SUCCESS/);
    const { state, value, args } = await json('result', 'mine');
    assert.deepEqual({ state, value, args }, { state: 'SUCCESS', value: 5, args: [5] });
  });

  it('fail when the task fails, or is unknown', async (t) => {
    const { worker, run, json } = terminals(t);
    await worker().printed(/ready/);
    const failed = await run('call', 'fail', '--wait', '--task-id', 'bad');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /celeriac: Task fail \(bad\) failed: RangeError: no such report/);
    assert.equal((await run('result', 'bad', '--follow')).code, 1);
    assert.equal((await run('result', 'bad')).code, 1);
    assert.match((await json('result', 'bad')).error.message, /no such report/);
    const unknown = await run('result', 'never-sent');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no task "never-sent" is known/);
  });

  it('end with 69 when no worker answers, and when there is no broker', async (t) => {
    const alone = await terminals(t).run('inspect', 'ping');
    assert.equal(alone.code, 69);
    assert.match(alone.stderr, /no worker of the app "reports" answered/);
    const port = await freePort();
    const cut = await terminals(t, `redis://127.0.0.1:${port}/0`).run('call', 'report');
    assert.equal(cut.code, 69);
    assert.match(cut.stderr, new RegExp(`127\\.0\\.0\\.1:${port}`));
  });

  it('need no -A where they need no code', async (t) => {
    const { worker } = terminals(t);
    await worker().printed(/ready/);
    const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: `cli-${randomUUID()}` };
    const cwd = project(t, TASKS);
    await startCli(t, ['-A', 'tasks', 'worker', '-n', 'w@test'], { cwd, env }).printed(/ready/);
    const { stdout } = await runCli(['status', '--json'], { env });
    assert.deepEqual(JSON.parse(stdout), { 'w@test': 'pong' });
  });
});
