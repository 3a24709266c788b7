/** The command line without a broker: help, mistakes, and what each of them says. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { project, runCli } from '../support/cli.js';
import { TASKS } from '../support/cli-project.js';

describe('celeriac', () => {
  it('shows its commands and exit codes with --help', async () => {
    const { code, stdout } = await runCli(['--help']);
    assert.equal(code, 0);
    for (const part of ['worker', 'call', 'result', 'inspect', 'control', 'status', 'Exit codes']) {
      assert.match(stdout, new RegExp(part));
    }
    assert.ok(stdout.split('\n').every((line) => line.length <= 80));
  });

  it('breaks no word of what a command is for, however long its arguments are', async () => {
    const { stdout } = await runCli(['control', '--help']);
    assert.ok(stdout.split('\n').every((line) => line.length <= 80));
    const text = stdout.replaceAll(/\s+/g, ' ');
    assert.match(
      text,
      /time-limit <task> <soft> \[hard\] change the time limits of a task, for calls that start/,
    );
    assert.match(text, /add-consumer take from another queue, with slots of its own where -c is given/);
  });

  it('prints its version', async () => {
    assert.match((await runCli(['--version'])).stdout, /^\d+\.\d+\.\d+/);
  });

  for (const [what, args, message] of [
    ['an unknown command', ['wroker'], /unknown command 'wroker'\. Did you mean worker\?/],
    [
      'an unknown flag',
      ['worker', '--concurency', '4'],
      /unknown option '--concurency'\. Did you mean --concurrency\?/,
    ],
    ['an unknown log level', ['worker', '-l', 'inof'], /"inof" is not a log level\. Did you mean "info"\?/],
    [
      'a bare number as a duration',
      ['-A', 'tasks', 'inspect', 'ping', '--timeout', '10'],
      /Write 10s or 10ms/,
    ],
    [
      'a missing queue',
      ['-A', 'tasks', 'control', 'add-consumer', '-c', '8'],
      /required option '-Q.* See "celeriac control add-consumer --help"/,
    ],
    ['a worker without an app', ['worker'], /which app\?.*celeriac -A tasks worker/],
    ['a command without any app', ['status'], /Which app\?.*CELERIAC_PREFIX/],
    [
      'bounds the wrong way round',
      ['-A', 'tasks', 'worker', '--autoscale', '3,10'],
      /minimum above its maximum/,
    ],
    ['queues that are all left out', ['-A', 'tasks', 'worker', '-Q', 'a,b', '-X', 'b,a'], /no queue is left/],
    ['a revocation of nothing', ['-A', 'tasks', 'control', 'revoke'], /Give ids, or --tag/],
    ['arguments that are no array', ['-A', 'tasks', 'call', 'add', '--args', '7'], /--args '\[7\]'/],
  ] as const) {
    it(`refuses ${what} in one line, with exit code 2`, async (t) => {
      const { code, stdout, stderr } = await runCli(args, { cwd: project(t, {}) });
      assert.match(stderr, message);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }

  it('says what it tried when -A names no module, before or after the command', async (t) => {
    const cwd = project(t, TASKS);
    for (const args of [
      ['-A', 'taks', 'worker'],
      ['worker', '--app=taks'],
      ['inspect', 'ping', '-A', 'taks'],
    ]) {
      const { code, stderr } = await runCli(args, { cwd });
      assert.match(stderr, /^celeriac: No module for "-A taks".*src\/ and dist\//);
      assert.equal(code, 2);
    }
  });

  it('compiles TypeScript with what the project of the module has, also from a folder above', async (t) => {
    const inner = project(t, TASKS);
    const cwd = dirname(inner);
    const env = { CELERIAC_BROKER_URL: 'redis://127.0.0.1:1/0' };
    const { code, stderr } = await runCli(['-A', `${basename(inner)}/src/tasks`, 'status'], { cwd, env });
    assert.match(stderr, /127\.0\.0\.1:1/);
    assert.equal(code, 69);
  });

  it('lists, reports and runs tasks from the code alone', async (t) => {
    const cwd = project(t, { 'package.json': '{ "type": "module" }', 'tasks.js': PLAIN_TASKS }, []);
    const env = { CELERIAC_APP: 'tasks', CELERIAC_BROKER_URL: 'redis://nobody:secret@127.0.0.1:1' };
    const input = [
      'await app.worker().start()',
      "const sent = await report.delay('7')",
      'await sent.get()',
      'typeof summary.delay',
      'function twice(n) {',
      '  return 2 * n }',
      'twice(21)',
      "throw new RangeError('not this')",
      "await (await tasks['send.mail'].delay([1] instanceof Array)).get()",
      'typeof chain(report.s(1)).delay',
    ].join('\n');
    const [list, report, shell] = await Promise.all([
      runCli(['list', '--json'], { cwd, env }),
      runCli(['report'], { cwd, env }),
      runCli(['shell', '-b', 'memory://', '--quiet'], { cwd, env, input }),
    ]);
    assert.deepEqual(JSON.parse(list.stdout), { reports: ['report', 'send.mail'] });
    assert.match(list.stderr, /no worker answered: this is from the code of -A tasks\.\n$/);
    assert.equal(list.code, 0);
    assert.match(
      report.stdout,
      /^celeriac \S+, BullMQ \d\S+, Node \d\S+, broker unknown, .*\napp +reports \(-A tasks\)\n/,
    );
    assert.match(
      report.stdout,
      /\nbroker +\S*127\.0\.0\.1:1\S* \(it does not answer\)\ntasks +report, send\.mail\nsettings\n/,
    );
    assert.doesNotMatch(report.stdout, /secret/);
    assert.equal(report.code, 0);
    assert.equal(shell.stdout, "'Report 7'\n'function'\n42\n'sent: true'\n'function'\n");
    assert.match(shell.stderr, /Uncaught RangeError: not this/);
    assert.equal(shell.code, 1);
  });

  it('shows the stack of a module that throws only with --loglevel=debug', async (t) => {
    const cwd = project(t, { 'tasks.mjs': 'throw new TypeError("broken module");' });
    const short = await runCli(['-A', 'tasks', 'worker'], { cwd });
    assert.match(short.stderr, /tasks\.mjs could not be loaded: TypeError: broken module\.\n$/);
    const long = await runCli(['-A', 'tasks', 'worker', '--loglevel=debug'], { cwd });
    assert.match(long.stderr, /broken module[\s\S]*at .*tasks\.mjs:1/);
    assert.deepEqual([short.code, long.code], [2, 2]);
  });

  for (const args of [
    ['--help'],
    ['--version'],
    ['worker', '--help'],
    ['wroker'],
    ['-A', 'tasks', 'call', 'add', '--args', '7'],
    ['status'],
    ['-A', 'taks', 'status'],
  ]) {
    it(`loads nothing of the core for "celeriac ${args.join(' ')}"`, async (t) => {
      const cwd = project(t, TASKS);
      const folder = join(cwd, 'coverage');
      await runCli(args, { cwd, env: { NODE_V8_COVERAGE: folder } });
      const loaded = loadedFiles(folder);
      assert.ok(loaded.some((url) => url.endsWith('cli/main.js')));
      const core = loaded.filter((url) => CORE.test(url));
      assert.deepEqual(core, []);
    });
  }
});

const PLAIN_TASKS = `
import { Celeriac } from 'celeriac';
console.log('a module that talks while it loads');
export const app = new Celeriac('reports');
export const summary = app.task('report', async (id) => 'Report ' + id);
app.task('send.mail', async (really) => 'sent: ' + really);
`;

const CORE = /\/(dist\/(app|index)\.js|dist\/(broker|canvas|results|worker)\/|bullmq\/|ioredis\/|tasks\.ts)/;

/** Every script that a process loaded, from the coverage that Node wrote at its end. */
function loadedFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    return (result as { url: string }[]).map(({ url }) => url);
  });
}
