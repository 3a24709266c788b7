/** What commands print into pipes and into a terminal of 80 by 24: whole, no wider than it, and safe for it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Celeriac, every } from 'celeriac';
import { uniqueName, within } from '../support/app.js';
import { CLI_PATH, project, runCli } from '../support/cli.js';
import { type RedisServer, startRedis } from '../support/redis.js';
import { steering } from '../support/steering.js';

const noPty = spawnSync('script', ['--version']).error === undefined ? false : 'script(1) is not installed';
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const evil = 'é\u001b[2J\u001b]0;owned\u0007\u009b31m\r\nceleriac: forged \u202e 日本語\u001b[8m';
const id = `mine-${evil}`;

let redis: RedisServer;
// A redis-server that is waited for holds no event loop open, and between two commands nothing else does.
const alive = setInterval(() => undefined, 1000);
before(async () => {
  redis = await startRedis();
});
after(() => redis.close().finally(() => clearInterval(alive)));

/** An app with a worker in this process, and commands of somebody who has the broker's address only. */
function place(t: TestContext) {
  const prefix = uniqueName();
  const app = new Celeriac(prefix, { broker: redis.url, logger: QUIET });
  t.after(() => app.close());
  const env = { CELERIAC_BROKER_URL: redis.url, CELERIAC_PREFIX: prefix };
  const cwd = project(t, {}, []);
  return {
    app,
    run: (...args: string[]) => runCli(args, { cwd, env }),
    shell: (line: string) => spawned('sh', ['-c', line], cwd, env),
    terminal: (...args: string[]) => inTerminal(t, args, cwd, env),
  };
}

interface Spawned {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function spawned(command: string, args: readonly string[], cwd: string, env: object): Promise<Spawned> {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => {
    texts.stdout += String(data);
  });
  child.stderr.on('data', (data) => {
    texts.stderr += String(data);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...texts })));
}

/** The command on a terminal of 80 by 24; `type` answers what it asks. */
function inTerminal(t: TestContext, args: readonly string[], cwd: string, env: object) {
  const words = [process.execPath, CLI_PATH, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const line = `stty cols 80 rows 24; exec ${words.join(' ')}`;
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    cwd,
    env: { ...process.env, ...env, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let screen = '';
  const ended = new Promise<{ code: number | null; screen: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, screen })),
  );
  const shows = (pattern: RegExp) =>
    within(
      new Promise<void>((resolve) => {
        const look = () => pattern.test(screen) && resolve();
        child.stdout.on('data', look);
        look();
      }),
      `${pattern} on the screen`,
      60_000,
    );
  child.stdout.on('data', (data) => {
    screen += String(data);
  });
  return { ended, shows, type: (keys: string) => void child.stdin.write(keys) };
}

describe('a command in a pipe', () => {
  it('prints all of what it prints, however long that is', async (t) => {
    const { app, shell } = place(t);
    const big = app.task('big', (length: number) => 'y'.repeat(length));
    await app.worker().start();
    const result = await big.delay(300_000);
    await result.get({ timeout: '20s' });
    for (const command of [`result ${result.id} --json`, `result ${result.id}`]) {
      const { stdout } = await shell(`${process.execPath} ${CLI_PATH} ${command} | cat | wc -c`);
      assert.ok(Number(stdout) > 300_000, `${command}: ${stdout}`);
    }
  });

  it('ends quietly when its reader leaves', async (t) => {
    const { shell } = place(t);
    const cli = `${process.execPath} ${CLI_PATH}`;
    const { stderr } = await shell(
      `${cli} --help | head -1; ${cli} doctor | head -1; ${cli} queues --json | true`,
    );
    assert.doesNotMatch(stderr, /EPIPE|node:/);
  });
});

describe('a task that failed', () => {
  it('is a document for who waits for it, and fails whoever asks for it', async (t) => {
    const { app, run } = place(t);
    const bad = app.task('bad', { maxRetries: 0 }, () => {
      throw new RangeError('no such report');
    });
    await app.worker().start();
    const waited = await run('call', 'bad', '--wait', '--json', '--task-id', 'one');
    const { name, taskId, cause } = JSON.parse(waited.stdout);
    assert.deepEqual(
      [name, taskId, cause.message, waited.code],
      ['TaskFailedError', 'one', 'no such report', 1],
    );
    const plain = await run('result', 'one');
    assert.match(plain.stdout, /state +FAILURE\nerror .*no such report\n/);
    assert.doesNotMatch(plain.stdout, /\n +at /);
    assert.match((await run('result', 'one', '-v')).stdout, /\nRangeError: no such report\n +at /);
    const json = await run('result', 'one', '--json');
    assert.deepEqual([JSON.parse(json.stdout).state, plain.code, json.code], ['FAILURE', 1, 1]);
    const revoked = await bad.applyAsync([], { countdown: '1h', taskId: 'two' });
    await revoked.revoke();
    assert.equal((await run('result', 'two')).code, 1);
  });
});

describe('a command in a terminal', { skip: noPty }, () => {
  it('is steered by nothing that comes from afar, and stays within 80 columns', async (t) => {
    const { app, terminal } = place(t);
    const echo = app.task('echo', async function (value: unknown) {
      await this.updateState('PROGRESS', value);
      return value;
    });
    const fail = app.task('fail', { maxRetries: 0 }, (text: string) => {
      throw Object.assign(new Error(text), { name: `E${evil}` });
    });
    await app.worker({ queues: ['celeriac'], concurrency: 4 }).start();
    await (await echo.applyAsync([{ [evil]: [evil] }], { taskId: id })).get({ timeout: '20s' });
    await (await fail.applyAsync([evil], { taskId: `bad-${id}` })).get({ propagate: false, timeout: '20s' });
    await echo.applyAsync([evil.repeat(9)], { taskId: `later-${id}`, countdown: '1h' });
    await app.schedules.upsert({ name: evil, schedule: every('1h'), task: 'echo', args: [evil] });
    const commands = [
      ['result', id],
      ['result', `bad-${id}`, '-v'],
      // A value keeps its lines.
      [
        'call',
        'echo',
        '--wait',
        '-a',
        JSON.stringify([evil.replace('\r\n', ' ')]),
        '--task-id',
        `again-${id}`,
      ],
      ['failed', 'list'],
      ['failed', 'show', `bad-${id}`],
      ['failed', 'retry', `bad-${id}`, `none-${id}`],
      ['inspect', 'scheduled'],
      ['inspect', 'query-task', `later-${id}`],
      ['inspect', 'active', '-d', evil],
      ['schedules', 'list'],
      ['schedules', 'get', evil],
      ['schedules', 'run-now', evil],
      ['control', 'revoke', `later-${id}`, `none-${id}`],
      ['control', 'rate-limit', `x${evil}`, '1/s'],
      ['result', `none-${id}`],
      ['result', id, '--json'],
      ['doctor'],
      [evil],
    ];
    for (const args of commands) {
      const { screen } = await terminal(...args).ended;
      assertSafe(screen, args);
    }
  });

  it('asks before it destroys, and is left with Ctrl-C and Ctrl-D', async (t) => {
    const { app, terminal } = place(t);
    await app.sendTask('echo');
    for (const keys of ['\u0003', '\u0004', 'n\r']) {
      const { ended, shows, type } = terminal('purge');
      await shows(/Drop 1 task waiting in celeriac of .*\? \[y\/N\] /);
      type(keys);
      const { code, screen } = await within(ended, 'the end', 20_000);
      assert.match(screen, /\nNothing was done\.\r?\n$/);
      assert.doesNotMatch(screen, /Abort|at /);
      assert.equal(code, 1);
    }
    const { ended, shows, type } = terminal('purge');
    await shows(/\[y\/N\] /);
    type('y\r');
    assert.match((await ended).screen, /celeriac: 1 task dropped/);
  });
});

function assertSafe(screen: string, args: readonly string[]): void {
  let text = screen.replaceAll('\r\n', '\n');
  for (const color of OURS) text = text.replaceAll(`\u001b[${color}m`, '');
  assert.deepEqual(steering(text), [], `${args.join(' ')}: ${JSON.stringify(text)}`);
  assert.doesNotMatch(text, /^celeriac: forged/m, args.join(' '));
}

const OURS = [1, 2, 22, 31, 32, 33, 36, 39];
